"""Reads a file of plain text as one document."""

from keras_gpt3.corpus.document import Document
from keras_gpt3.corpus.readers.decode_text import decode_text
from keras_gpt3.corpus.readers.open_compressed import DamagedFileError
from keras_gpt3.corpus.readers.open_compressed import open_compressed
from keras_gpt3.corpus.readers.record_id import record_id
from keras_gpt3.corpus.rejected_record import RejectedRecord

_PIECE_BYTES = 2**18


def read_text_documents(path, source, name, max_bytes):
    """Yields the one document that a file of plain text is.

    Args:
        path: string. May end in `.gz` or `.zst`.
        source: string. The data set that it is of.
        name: string. Of the file, in ids and in messages.
        max_bytes: int. A longer file is put aside.

    Yields:
        A `Document`, or a `RejectedRecord` if it is no text. None of an empty
        file.

    Raises:
        DamagedFileError: Where the compressed data are broken, after what
            stands before.

    Example:

    ```python
    import pathlib

    from keras_gpt3.corpus.readers.text_documents import read_text_documents

    pathlib.Path("a.txt").write_text("Once")
    list(read_text_documents("a.txt", "novels", "a.txt", 2**20))
    ```
    """
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
