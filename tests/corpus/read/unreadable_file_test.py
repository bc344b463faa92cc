import errno
import gzip
import zlib

import pytest

from keras_gpt3.corpus.read.decode_text import raise_if_unreadable


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.EIO, OSError),
        (errno.ESTALE, OSError),
        (errno.ETIMEDOUT, TimeoutError),
        (errno.EACCES, PermissionError),
        (errno.ENOENT, FileNotFoundError),
    ],
)
def test_an_error_of_the_system_names_the_file(code, kind):
    error = OSError(code, "what happened")
    with pytest.raises(
        kind,
        match=r"must be readable. Received: file='a.gz' .what happened.. Make",
    ) as raised:
        raise_if_unreadable(error, "a.gz")
    assert type(raised.value) is kind
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        gzip.BadGzipFile("CRC check failed"),
        EOFError("cut"),
        zlib.error("invalid"),
        OSError("ZSTD decompress failed"),
        OSError(errno.EINVAL, "a place that is not in the file"),
    ],
)
def test_an_error_of_the_content_passes(error):
    raise_if_unreadable(error, "a.gz")
