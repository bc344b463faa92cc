import pathlib

import pytest

from keras_gpt3.corpus.source_section import check_is_local


@pytest.mark.parametrize("path", ["gs://bucket/a", "s3+http://b", "file:///a"])
def test_a_url_is_refused(path):
    with pytest.raises(
        ValueError, match="folder must be a path .*Received: folder='.*Mount"
    ):
        check_is_local("folder", path)


@pytest.mark.parametrize(
    "path", [None, "a", "/mnt/a:b//c", "C:/a", pathlib.Path("a")]
)
def test_a_path_is_not(path):
    check_is_local("folder", path)
