"""Reads the documents of a file of any known format."""

import codecs
import glob
import os
import pathlib
import re

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.read.common_crawl_records import UNFORESEEN_ERRORS
from keras_gpt3.corpus.read.common_crawl_records import (
    read_common_crawl_records,
)
from keras_gpt3.corpus.read.decode_text import DamagedFileError
from keras_gpt3.corpus.read.decode_text import OtherRecord
from keras_gpt3.corpus.read.decode_text import decode_text
from keras_gpt3.corpus.read.decode_text import escaped_text
from keras_gpt3.corpus.read.decode_text import is_binary
from keras_gpt3.corpus.read.decode_text import open_compressed
from keras_gpt3.corpus.read.decode_text import raise_if_unreadable
from keras_gpt3.corpus.read.decode_text import record_id
from keras_gpt3.data.json_objects import parse_json_line
from keras_gpt3.data.text_sources import SwollenColumnError
from keras_gpt3.data.text_sources import import_parquet
from keras_gpt3.data.text_sources import read_metadata
from keras_gpt3.data.text_sources import read_rows

_CHUNK_BYTES = 2**18


def read_text_documents(path, source, name, max_bytes):
    """Yield the one document that a file of plain text is."""
    with open_compressed(path) as stream:
        data, damage = _read_texts(stream, max_bytes)
    text, reason = None, "long file"
    if len(data) <= max_bytes:
        text, reason = decode_text(data)
    if reason:
        yield RejectedRecord.of_data(source, reason, data, where=name)
    elif data:
        yield Document(record_id(None, source, name), source, text)
    if damage:
        raise damage


def _read_texts(stream, max_bytes):
    """Up to `max_bytes + 1` bytes, and the error that ended them or `None`."""
    data, damage = bytearray(), None
    try:
        while len(data) <= max_bytes and (chunk := stream.read1(_CHUNK_BYTES)):
            data += chunk
    except DamagedFileError as error:
        damage = error
    return bytes(data), damage


_HEAD_BYTES = 2**13
_OBJECT_START = re.compile(rb'\s*\{\s*"')
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_json_documents(path, source, name, max_bytes):
    """Yield the documents of a file of JSON objects, one a line."""
    with open_compressed(path) as stream:
        reason = _fault(stream.peek(_HEAD_BYTES)[:_HEAD_BYTES])
        if reason:
            yield RejectedRecord(source, reason, where=name)
            return
        for number, line in enumerate(_lines(stream, max_bytes), start=1):
            where = f"{name}:{number}"
            if len(line) > max_bytes:
                yield RejectedRecord.of_data(
                    source, "long line", line, where=where
                )
            elif line.strip():
                yield _document(line, source, where)


def _fault(head):
    """Why a file is rejected as a whole, by its first bytes."""
    if head.startswith(_UTF_16):
        return "UTF-16"
    if not is_binary(head):
        return None
    # A stray zero costs its own line only. The last line may be cut.
    *lines, last = head.split(b"\n")
    is_json = _OBJECT_START.match(last) or any(map(_is_object, lines))
    return None if is_json else "binary"


def _is_object(line):
    text, reason = decode_text(line)
    try:
        return not reason and isinstance(parse_json_line(text), dict)
    except ValueError:
        return False


def _lines(stream, max_bytes):
    """The lines; of one that is longer, the first `max_bytes + 1` bytes."""
    while line := stream.readline(max_bytes + 1):
        rest = line
        while not rest.endswith(b"\n"):
            rest = stream.readline(2**16)
            if not rest:
                break
        yield line


def _document(line, source, where):
    text, reason = decode_text(line)
    if reason:
        return RejectedRecord.of_data(source, reason, line, where=where)
    try:
        fields = parse_json_line(text)
    except ValueError as error:
        return RejectedRecord(
            source, "no JSON", text, where=where, detail=str(error)
        )
    content = fields.get("text") if isinstance(fields, dict) else None
    if not isinstance(content, str):
        return RejectedRecord(source, "no text", text, where=where)
    url = fields.get("url")
    return Document(
        id=record_id(fields.get("id"), source, where),
        source=source,
        text=content,
        url=escaped_text(url) if isinstance(url, str) else None,
    )


# === Parquet ===

_COLUMNS = ("id", "url", "text")


def read_parquet_documents(path, source, name, max_bytes):
    """Yield the documents of a Parquet file, a few rows in memory."""
    arrow = import_parquet().ArrowException
    try:
        with open(path, "rb") as raw:
            metadata = read_metadata(raw)
            names = metadata.schema.to_arrow_schema().names
            if "text" not in names:
                yield _without_text(names, source, name)
                return
            columns = [column for column in _COLUMNS if column in names]
            rows = read_rows(raw, metadata, columns)
            for number, row in enumerate(rows, start=1):
                row = dict(zip(columns, row, strict=True))
                yield _row_document(row, source, f"{name}:{number}", max_bytes)
    except SwollenColumnError as error:
        raise DamagedFileError("swollen Parquet", error) from error
    # The last is of a column's name.
    except (arrow, OSError, UnicodeDecodeError) as error:
        raise_if_unreadable(error, path)
        raise DamagedFileError("broken Parquet", error) from error


def _without_text(names, source, name):
    return RejectedRecord(
        source,
        "no column text",
        where=name,
        detail=(
            "A Parquet file must have a column text. Received: "
            f"file='{name}' with the columns {', '.join(names) or 'none'}. "
            "Rename the one that holds the documents."
        ),
    )


def _string(value):
    return value.decode("utf-8", "replace") if type(value) is bytes else value


def _row_document(row, source, where, max_bytes):
    text, reason = row["text"], None
    if isinstance(text, bytes):
        text, reason = decode_text(text)
    if not reason and not isinstance(text, str):
        reason = "no text"
    if not reason and len(text) > max_bytes:
        reason = "long line"
    if reason:
        shown = text[:1000] if isinstance(text, str) else ""
        return RejectedRecord(source, reason, shown, where=where)
    url = _string(row.get("url"))
    return Document(
        id=record_id(_string(row.get("id")), source, where),
        source=source,
        text=text,
        url=escaped_text(url) if isinstance(url, str) else None,
    )


# === Files ===

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
    """Yield the documents of a file, and its rejected records."""
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
        # A library's, at a record that was not foreseen. It ends this file,
        # and not the build.
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


def input_files(patterns):
    """List the files that are named, in the order in which they are read."""
    paths = set()
    for pattern in patterns:
        paths.update(_matching(str(pattern)))
    for path in paths:
        reader_of(path)
    return sorted(paths)


def common_folder(patterns):
    """The innermost folder that holds all files that patterns may name.

    It does not depend on which files there are: with one more, the names of
    the others stay.
    """
    folders = {_fixed_folder(os.path.abspath(path)) for path in patterns}
    return os.path.commonpath(folders)


def _fixed_folder(pattern):
    """The folders of a pattern before the first that is left open."""
    if os.path.isdir(pattern):
        return pattern
    folder = os.path.dirname(pattern)
    while not os.path.isfile(pattern) and glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder


def _matching(pattern):
    if os.path.isdir(pattern):
        found = [
            str(path)
            for path in pathlib.Path(pattern).rglob("*")
            if path.name.lower().endswith(SUFFIXES) and path.is_file()
        ]
        kind = f"a folder without files that end in {', '.join(SUFFIXES)}"
    elif os.path.isfile(pattern):
        return [os.path.normpath(pattern)]
    else:
        found = [path for path in glob.glob(pattern, recursive=True)]
        found = [path for path in found if os.path.isfile(path)]
        kind = "which matches no file"
    if not found:
        raise FileNotFoundError(
            "The files of a corpus must be there. Received: "
            f"'{pattern}', {kind}. Correct the path."
        )
    return map(os.path.normpath, found)
