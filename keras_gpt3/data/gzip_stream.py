"""The contents of a file, gzipped or not."""

import contextlib
import gzip
import io
import zlib

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
