"""Reads and writes parts: documents as zstd-compressed lines of JSON."""

import contextlib
import os

from keras_gpt3.corpus.corpus_extra import import_extra
from keras_gpt3.corpus.document import Document
from keras_gpt3.corpus.readers.open_compressed import DamagedFileError
from keras_gpt3.corpus.readers.open_compressed import open_compressed
from keras_gpt3.replaced_file import replaced_file

PART_SUFFIX = ".jsonl.zst"
_LEVEL = 3


def read_part(path):
    """Yields the documents of a part, one at a time in memory."""
    return map(Document.from_json, read_part_lines(path))


def read_part_lines(path):
    """Yields the lines of a part, or of what was put aside beside it."""
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"A part must exist. Received: file='{path}'. Run the stage that "
            "writes it again."
        )
    try:
        with open_compressed(path) as stream:
            yield from stream
    except DamagedFileError as error:
        raise ValueError(
            f"A part must be a whole zstd file. Received: file='{path}' "
            f"({error.detail}). Remove it and run its stage again."
        ) from error


class PartWriter(contextlib.AbstractContextManager):
    """Writes a part that appears with its last document, or not at all.

    The same documents give the same bytes.
    """

    def __init__(self, path):
        compressor = import_extra("zstandard").ZstdCompressor(
            level=_LEVEL, write_checksum=True
        )
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(replaced_file(path))
            self._stream = stack.enter_context(
                compressor.stream_writer(file, closefd=False)
            )
            self._stack = stack.pop_all()
        self.num_documents = 0
        self.num_characters = 0

    def write(self, document):
        """Writes one document."""
        self._stream.write(document.to_json().encode("utf-8") + b"\n")
        self.num_documents += 1
        self.num_characters += len(document.text)

    def __exit__(self, *error):
        self._stack.__exit__(*error)
