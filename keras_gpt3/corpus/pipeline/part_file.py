"""Reads and writes parts: documents as zstd-compressed lines of JSON."""

import contextlib
import dataclasses
import json
import os
import pathlib

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.atomic_write import write_json
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.pipeline.part_counts import PartCounts
from keras_gpt3.corpus.read.decode_text import DamagedFileError
from keras_gpt3.corpus.read.decode_text import open_compressed
from keras_gpt3.needed_packages import import_extra

PART_SUFFIX = ".jsonl.zst"
_LEVEL = 3


def read_part(path):
    """Yield the documents of a part, one at a time in memory."""
    return map(Document.from_json, read_part_lines(path))


def read_part_lines(path):
    """Yield the lines of a part, or of what was rejected beside it."""
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


@contextlib.contextmanager
def written_part(path):
    """A function that writes documents to a part: all of them, or no file.

    The same documents give the same bytes.
    """
    compressor = import_extra("zstandard").ZstdCompressor(
        level=_LEVEL, write_checksum=True
    )
    with (
        atomic_write(path) as file,
        compressor.stream_writer(file, closefd=False) as stream,
    ):
        yield lambda item: stream.write(item.to_json().encode() + b"\n")


# The kind of what a stage rejects, after the first.
DROPPED = "dropped"


def sort_documents(part, documents, decide, kind=DROPPED):
    """Write a part, and what is rejected beside it; its counts.

    `decide` takes each document and the counts, and returns it, changed or
    not, or a `RejectedRecord`.
    """
    counts = PartCounts()
    with (
        written_part(part.output) as keep,
        written_part(part.rejected(kind)) as reject,
    ):
        for document in documents:
            counts.read(document)
            document = decide(document, counts)
            if isinstance(document, RejectedRecord):
                counts.drop(document)
                reject(document)
            else:
                counts.keep(document)
                keep(document)
    return counts.to_json()


@dataclasses.dataclass(frozen=True)
class StagePart:
    """What one part is made from, and where it goes.

    It is done once its counts are written, last of all; they name the digest
    and the sizes of its files, as long as these are there.
    """

    source: str
    name: str
    folder: str
    input: str
    digest: str
    others: tuple = ()

    @property
    def output(self):
        """The path of its documents."""
        return self.path(self.name + PART_SUFFIX)

    @property
    def counts_path(self):
        """The path of its counts."""
        return self.path(self.name + ".json")

    def rejected(self, kind):
        """The path of what is rejected."""
        return self.path(kind, self.name + PART_SUFFIX)

    @property
    def counts(self):
        """What `finish` was given, or `None` unless the part is done."""
        try:
            fields = json.loads(pathlib.Path(self.counts_path).read_bytes())
            is_same = fields["digest"] == self.digest
            if is_same and fields["sizes"].items() <= self._sizes().items():
                return fields["counts"]
        except (OSError, KeyError, TypeError, ValueError, AttributeError):
            pass
        return None

    @property
    def is_done(self):
        """Whether its counts are there, of this input and these settings."""
        return self.counts is not None

    def finish(self, counts):
        """Mark the part as done; its files must be in their place."""
        sizes = self._sizes()
        fields = {"digest": self.digest, "sizes": sizes, "counts": counts}
        write_json(self.counts_path, fields)

    def reset(self):
        """Take the mark away, before the part is made again.

        Else the counts of what was there before could be taken for those of
        another text, if a kill comes between the two.
        """
        pathlib.Path(self.counts_path).unlink(missing_ok=True)

    def path(self, *names):
        """A path in the folder of its source."""
        return str(pathlib.Path(self.folder, self.source, *names))

    def _sizes(self):
        """The bytes of those of its files that there are."""
        names = [self.name + PART_SUFFIX]
        names += [name.format(self.name) for name in self.others]
        paths = {name: self.path(name) for name in names}
        return {
            name: os.path.getsize(path)
            for name, path in paths.items()
            if os.path.isfile(path)
        }
