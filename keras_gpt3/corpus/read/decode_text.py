"""From files to text: compression, encoding, what is damaged."""

import codecs
import contextlib
import dataclasses
import errno
import gzip
import io
import re
import zlib

from keras_gpt3.argument_checks import echoed
from keras_gpt3.needed_packages import import_extra

# The largest share of bytes that a repair may guess.
_MAX_GUESSED = 0.2
_MAX_CONTROLS = 0.02
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HANDLER = "keras_gpt3.windows_1252"


def decode_text(data):
    """Decode text; single bytes that are not UTF-8 count as Windows-1252."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode(data.removeprefix(codecs.BOM_UTF8), encoding)
    if is_binary(data):
        return None, "binary"
    return _decode(data, "utf-8")


def is_binary(data):
    """Whether bytes, without a mark of UTF-16, are not text."""
    if b"\0" in data:
        return True
    return len(_CONTROLS.findall(data)) > _MAX_CONTROLS * len(data)


def _decode(data, encoding):
    try:
        return data.decode(encoding), None
    except UnicodeDecodeError:
        if encoding != "utf-8":
            return None, f"not {encoding.upper()}"
    if len(data.decode("utf-8", "ignore").encode()) < len(data) * (
        1 - _MAX_GUESSED
    ):
        return None, "not UTF-8"
    return data.decode("utf-8", _HANDLER), None


def _as_windows_1252(error):
    if not isinstance(error, UnicodeDecodeError):
        raise error
    data = error.object[error.start : error.end]
    # Five bytes are not a character there.
    return data.decode("windows-1252", "replace"), error.end


codecs.register_error(_HANDLER, _as_windows_1252)


def record_id(own, source, where):
    """Name a record."""
    if isinstance(own, int) and not isinstance(own, bool):
        return str(own)
    if isinstance(own, str) and own:
        return escaped_text(own)
    return f"{source}/{where}"


def escaped_text(text):
    r"""Spell halves of surrogate pairs out.

    JSON can hold them in any string, and a file name that is not UTF-8 has them
    in Python; a file in UTF-8 cannot hold them.
    """
    return text.encode("utf-8", "backslashreplace").decode()


@dataclasses.dataclass(frozen=True, slots=True)
class OtherRecord:
    """What a crawl records of itself: a request, metadata, the file's own.

    It is counted, and no loss.
    """

    kind: str


# The last is what a damaged file makes a library ask of the system.
_OF_DAMAGE = (None, errno.EINVAL)


def raise_if_unreadable(error, path):
    """Raise the error of a system that cannot read a file.

    A disk that fails, a share that is gone or a file that may not be read says
    nothing of the content: to skip the rest of the file would lose it for good.
    """
    if getattr(error, "errno", None) in _OF_DAMAGE:
        return
    raise type(error)(
        "A file of a corpus must be readable. Received: "
        f"file={echoed(str(path))} ({error.strerror or error}). Make it "
        "readable, and start again: what was done stays."
    ) from error


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
        # Opened here: the library takes no name that is not UTF-8.
        self._raw = import_extra("pyarrow").input_stream(
            open(self._path, "rb"), compression="zstd", buffer_size=0
        )

    def _reopen(self):
        """Go back to where the call began that met the damage."""
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
