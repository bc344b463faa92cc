"""Reads the objects of a JSON-lines file, and names the lines that are none."""

import contextlib
import gzip
import io
import json
import os
import zlib

_SUFFIXES = (".jsonl", ".jsonl.gz")


def read_json_objects(path, kind):
    """Yield the objects of a JSON-lines file; empty lines are left out."""
    _check_path(path, kind)
    with open(path, "rb") as file, decompressed(file, path) as lines:
        yield from json_objects_in(lines, path, kind)


def json_objects_in(lines, path, kind):
    """Yield the objects of an open file; empty lines are left out."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"file='{path}', line={number}"
            yield where, _object(line, where, kind)


def _check_path(path, kind):
    if os.path.isdir(path):
        raise ValueError(
            f"A file of {kind} must be a file. Received: file='{path}', which "
            "is a folder. Name a file in it."
        )
    if not path.lower().endswith(_SUFFIXES):
        raise ValueError(
            f"A file of {kind} must end in {' or '.join(_SUFFIXES)}. Received: "
            f"file='{path}'. Convert it to one JSON object a line."
        )
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"A file of {kind} must exist. Received: file='{path}'. Correct "
            "the path."
        )


def _object(line, where, kind):
    """The dict of a line; `where` says which, for the message."""
    value, reason = None, "it starts an array"
    text = _text(line, where, kind)
    if not text.lstrip().startswith("["):
        try:
            value = parse_json_line(text)
            reason = f"it is of type {type(value).__name__}"
        except ValueError as error:
            reason = _reason(error)
    if not isinstance(value, dict):
        raise ValueError(
            f"Each line of a file of {kind} must be a JSON object. Received: "
            f"{where} ({reason}). Write one object a line."
        )
    return value


def _text(line, where, kind):
    try:
        text = line.decode("utf-8-sig")
        # JSON has no bare zeros, UTF-16 has one beside each plain letter.
        reason = "it holds zero bytes, as UTF-16 does" if "\0" in text else None
    except UnicodeDecodeError as error:
        reason = str(error)
    if reason:
        raise ValueError(
            f"A file of {kind} must be UTF-8. Received: {where} ({reason}). "
            "Convert it to UTF-8."
        )
    return text


def _reason(error):
    # The error's own "line 1" would be taken for that of the file.
    if hasattr(error, "colno"):
        return f"{error.msg}, at column {error.colno}"
    return str(error)


def parse_json_line(line):
    """Read a line, so that any damage to it is a `ValueError`."""
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


# Python's own 8 KiB cost a tenth more time for a .gz file.
_BUFFER_BYTES = 2**18


@contextlib.contextmanager
def decompressed(file, path):
    """A context in which a file is read, and a damaged `.gz` is named."""
    stream = file
    if str(path).lower().endswith(".gz"):
        stream = io.BufferedReader(gzip.open(file, "rb"), _BUFFER_BYTES)
    try:
        yield stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            "A .gz file must be complete and gzipped. Received: "
            f"file='{path}' ({error}). Copy it again."
        ) from error
