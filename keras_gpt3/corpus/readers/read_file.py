"""Reads the documents of a file of any known format."""

import os

from keras_gpt3.corpus.html_text import UNFORESEEN_ERRORS
from keras_gpt3.corpus.readers.common_crawl_records import (
    read_common_crawl_records,
)
from keras_gpt3.corpus.readers.escaped_text import escaped_text
from keras_gpt3.corpus.readers.json_documents import read_json_documents
from keras_gpt3.corpus.readers.open_compressed import DamagedFileError
from keras_gpt3.corpus.readers.other_record import OtherRecord
from keras_gpt3.corpus.readers.parquet_documents import read_parquet_documents
from keras_gpt3.corpus.readers.text_documents import read_text_documents
from keras_gpt3.corpus.rejected_record import RejectedRecord

_COMPRESSED = ("", ".gz", ".zst")
_READERS = {
    ".jsonl": read_json_documents,
    ".txt": read_text_documents,
    ".warc": read_common_crawl_records,
    ".wet": read_common_crawl_records,
}
_READERS = {
    name + suffix: reader
    for name, reader in _READERS.items()
    for suffix in _COMPRESSED
} | {".parquet": read_parquet_documents}
SUFFIXES = tuple(_READERS)


def read_file(path, source, name=None, max_bytes=2**26):
    """Yields the documents of a file, and what of it is put aside."""
    path = str(path)
    return _read(reader_of(path), path, source, name, max_bytes)


def reader_of(path):
    """The reader of a file, by its suffix."""
    for suffix, reader in _READERS.items():
        if path.lower().endswith(suffix):
            return reader
    raise ValueError(
        f"A file of a corpus must end in {', '.join(SUFFIXES)}. Received: "
        f"file='{path}'. Convert or rename it."
    )


def _read(reader, path, source, name, max_bytes):
    name = escaped_text(name or os.path.basename(path))
    is_empty = True
    try:
        for item in reader(path, source, name, max_bytes):
            # Of a crawl's own records alone there is nothing to read.
            is_empty = is_empty and isinstance(item, OtherRecord)
            yield item
    except UNFORESEEN_ERRORS as error:
        # A library's, at a record that nobody foresaw. It ends this file, and
        # not the build.
        is_empty = False
        yield RejectedRecord(
            source, "unreadable file", where=name, detail=repr(error)[:200]
        )
    except DamagedFileError as error:
        is_empty = False
        yield RejectedRecord(
            source, error.reason, where=name, detail=error.detail
        )
    if is_empty:
        yield RejectedRecord(source, "empty file", where=name)
