"""Opens a file, gzipped, zstd-compressed or neither, as a stream of bytes."""

import contextlib
import gzip
import io
import zlib

from keras_gpt3.corpus.corpus_extra import import_extra
from keras_gpt3.corpus.readers.unreadable_file import raise_if_unreadable

_BUFFER_BYTES = 2**18
# What pyarrow read in one call is lost if that call meets an error.
_ZSTD_BYTES = 2**16
_ZSTD_BYTES_TO_DAMAGE = 2**9


class DamagedFileError(Exception):
    """A file that cannot be read from some place on."""

    def __init__(self, reason, detail):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = str(detail)


@contextlib.contextmanager
def open_compressed(path):
    """A context with a stream of what a file holds, decompressed."""
    name = str(path).lower()
    try:
        if name.endswith(".gz"):
            raw, reason = gzip.open(path, "rb"), "broken gzip"
        elif name.endswith(".zst"):
            raw, reason = _ZstdFile(path), "broken zstd"
        else:
            raw, reason = open(path, "rb"), "broken file"
    except OSError as error:
        raise_if_unreadable(error, path)
        raise
    checked = _Checked(raw.read1, reason, path)
    with (
        contextlib.closing(raw),
        io.BufferedReader(checked, _BUFFER_BYTES) as stream,
    ):
        yield stream


class _ZstdFile:
    """A zstd file that is read in large steps, in small ones to damage.

    Zstandard's own streams end without an error where a file is cut.
    """

    def __init__(self, path):
        self._path = path
        self._position = 0
        self._step = _ZSTD_BYTES
        self._open()

    def read1(self, size):
        try:
            data = self._raw.read(min(size, self._step))
        except OSError as error:
            if error.errno is not None or self._step == _ZSTD_BYTES_TO_DAMAGE:
                raise
            self._step = _ZSTD_BYTES_TO_DAMAGE
            self._reopen()
            return self.read1(size)
        self._position += len(data)
        return data

    def close(self):
        self._raw.close()

    def _open(self):
        # Opened here: the library takes no name that is no UTF-8.
        self._raw = import_extra("pyarrow").input_stream(
            open(self._path, "rb"), compression="zstd", buffer_size=0
        )

    def _reopen(self):
        """Goes back to where the call began that met the damage."""
        self.close()
        self._open()
        left = self._position
        while left and (data := self._raw.read(min(left, _ZSTD_BYTES))):
            left -= len(data)


class _Checked(io.RawIOBase):
    """A stream of what a function reads, whose errors become one.

    The function gives what there is, before it meets an error.
    """

    def __init__(self, read, reason, path):
        self._read = read
        self._reason = reason
        self._path = path

    def readable(self):
        return True

    def readinto(self, buffer):
        try:
            data = self._read(len(buffer))
        except (EOFError, OSError, zlib.error) as error:
            raise_if_unreadable(error, self._path)
            raise DamagedFileError(self._reason, error) from error
        buffer[: len(data)] = data
        return len(data)
