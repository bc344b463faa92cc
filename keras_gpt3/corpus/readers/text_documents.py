"""Reads a file of plain text as one document."""

from keras_gpt3.corpus.document import Document
from keras_gpt3.corpus.readers.decode_text import decode_text
from keras_gpt3.corpus.readers.open_compressed import DamagedFileError
from keras_gpt3.corpus.readers.open_compressed import open_compressed
from keras_gpt3.corpus.readers.record_id import record_id
from keras_gpt3.corpus.rejected_record import RejectedRecord

_PIECE_BYTES = 2**18


def read_text_documents(path, source, name, max_bytes):
    """Yields the one document that a file of plain text is."""
    with open_compressed(path) as stream:
        data, damage = _read(stream, max_bytes)
    if len(data) > max_bytes:
        shown = data[:1000].decode("utf-8", "replace")
        yield RejectedRecord(source, "long file", shown, where=name)
    elif data:
        text, reason = decode_text(data)
        if reason:
            shown = data[:1000].decode("utf-8", "replace")
            yield RejectedRecord(source, reason, shown, where=name)
        else:
            yield Document(record_id(None, source, name), source, text)
    if damage:
        raise damage


def _read(stream, max_bytes):
    """Up to `max_bytes + 1` bytes, and the error that ended them or `None`."""
    data, damage = bytearray(), None
    try:
        while len(data) <= max_bytes and (piece := stream.read1(_PIECE_BYTES)):
            data += piece
    except DamagedFileError as error:
        damage = error
    return bytes(data), damage
