"""Reads the documents of one text or JSON-lines file, gzipped or not."""

from keras_gpt3.data.gzip_stream import decompressed
from keras_gpt3.data.json_objects import json_objects_in

TEXT_SUFFIXES = (".txt", ".txt.gz")
JSON_SUFFIXES = (".jsonl", ".jsonl.gz")
SUFFIXES = JSON_SUFFIXES + TEXT_SUFFIXES


def read_documents(file, path):
    """Yield the documents of a file."""
    with decompressed(file, path) as stream:
        if str(path).lower().endswith(TEXT_SUFFIXES):
            yield _read_text(stream, path)
        else:
            yield from _read_lines(stream, path)


def _read_text(stream, path):
    try:
        return stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            "A .txt file must be UTF-8. Received: "
            f"file='{path}' ({error}). Convert it to UTF-8."
        ) from error


def _read_lines(stream, path):
    for where, fields in json_objects_in(stream, path, "documents"):
        reason = _fault(fields)
        if reason:
            raise ValueError(
                'Each line of a file of documents must have a "text" string. '
                f"Received: {where} ({reason}). Correct or remove the line."
            )
        yield fields["text"]


def _fault(fields):
    """What is wrong with the content of a line, or `None`."""
    if "text" not in fields:
        return "it has no text"
    text = fields["text"]
    if not isinstance(text, str):
        return f"its text is of type {type(text).__name__}"
    try:
        # Escapes can spell half a character, which has no bytes.
        text.encode()
    except UnicodeEncodeError as error:
        return f"its text: {error}"
    return None
