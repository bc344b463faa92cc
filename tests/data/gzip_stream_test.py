import gzip
import io
import re

import pytest

from keras_gpt3.data.json_objects import decompressed

LINES = b"one\ntwo\n"
# With the time of now in it, workers would name tests differently.
GZIPPED = gzip.compress(LINES, mtime=0)


@pytest.mark.parametrize(
    ("content", "path"), [(LINES, "a.txt"), (GZIPPED, "A.TXT.GZ")]
)
def test_the_contents_are_read(content, path):
    with decompressed(io.BytesIO(content), path) as stream:
        assert list(stream) == [b"one\n", b"two\n"]


@pytest.mark.parametrize(
    "content", [GZIPPED[:-9], LINES, b"\x1f\x8b\x08" + b"\xff" * 9]
)
def test_a_damaged_gz_file_is_named(content):
    message = "A .gz file must be complete and gzipped. Received: file='a.gz' ("
    with (
        pytest.raises(ValueError, match=f"^{re.escape(message)}.*Copy it aga"),
        decompressed(io.BytesIO(content), "a.gz") as stream,
    ):
        stream.read()
