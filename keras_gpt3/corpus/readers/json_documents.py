"""Reads documents of a JSON-lines file."""

import codecs
import re

from keras_gpt3.corpus.document import Document
from keras_gpt3.corpus.readers.decode_text import decode_text
from keras_gpt3.corpus.readers.decode_text import is_binary
from keras_gpt3.corpus.readers.escaped_text import escaped_text
from keras_gpt3.corpus.readers.open_compressed import open_compressed
from keras_gpt3.corpus.readers.record_id import record_id
from keras_gpt3.corpus.rejected_record import RejectedRecord
from keras_gpt3.data.json_line import parse_json_line

_HEAD_BYTES = 2**13
_OBJECT_START = re.compile(rb'\s*\{\s*"')
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_json_documents(path, source, name, max_bytes):
    """Yields the documents of a file of JSON objects, one a line."""
    with open_compressed(path) as stream:
        reason = _fault(stream.peek(_HEAD_BYTES)[:_HEAD_BYTES])
        if reason:
            yield RejectedRecord(source, reason, where=name)
            return
        for number, line in enumerate(_lines(stream, max_bytes), start=1):
            where = f"{name}:{number}"
            if len(line) > max_bytes:
                text = line[:1000].decode("utf-8", "replace")
                yield RejectedRecord(source, "long line", text, where=where)
            elif line.strip():
                yield _document(line, source, where)


def _fault(head):
    """Why a file is put aside as a whole, by its first bytes."""
    if head.startswith(_UTF_16):
        return "UTF-16"
    if not is_binary(head):
        return None
    # A stray zero costs its own line only. The last line may go on.
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
        shown = line[:1000].decode("utf-8", "replace")
        return RejectedRecord(source, reason, shown, where=where)
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
