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
    """Yields the documents of a file, and what of it is put aside.

    Args:
        path: string or path. Its suffix tells the format: `.jsonl`, `.txt`,
            `.warc` or `.wet`, each also with `.gz` or `.zst`, or `.parquet`.
        source: string. The data set that they are of.
        name: string. Of the file, in the ids of records that have none.
            Defaults to `None`, the path's last part.
        max_bytes: int. Longer lines, records and text files are put aside.
            Defaults to `2**26`.

    Yields:
        `Document`s and `RejectedRecord`s, in the order of the file, and an
        `OtherRecord` for each record of a crawl that is neither. Where the
        file is broken, or holds nothing, the last is a `RejectedRecord` that
        says so.

    Raises:
        OSError: If the file cannot be read, which says nothing of what it
            holds: it may not be read, or the disk fails.
        ValueError: If the suffix is another.

    Example:

    ```python
    import pathlib

    from keras_gpt3.corpus.readers.read_file import read_file

    pathlib.Path("a.jsonl").write_text('{"text": "Once"}\\n{"text":')
    [getattr(item, "reason", None) for item in read_file("a.jsonl", "novels")]
    # [None, "no JSON"]
    ```
    """
    path = str(path)
    return _read(reader_of(path), path, source, name, max_bytes)


def reader_of(path):
    """The reader of a file, by its suffix.

    Args:
        path: string.

    Returns:
        A callable that takes a path, a source, a name and `max_bytes`.

    Raises:
        ValueError: If there is none.

    Example:

    ```python
    from keras_gpt3.corpus.readers.read_file import reader_of

    reader_of("CC-MAIN-00000.warc.wet.gz")
    ```
    """
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
