import os

import pytest

from keras_gpt3.corpus.pipeline.stage import StageInput
from keras_gpt3.corpus.pipeline.stage import inputs_digest


def test_another_content_has_another_digest(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Once")
    os.utime(path, ns=(0, 0))
    first = StageInput.of_file("novels", path)
    assert first == StageInput.of_file("novels", path)
    assert first.path == str(path)
    os.utime(path, ns=(0, 1))
    changed = StageInput.of_file("novels", path)
    path.write_text("Once upon")
    os.utime(path, ns=(0, 0))
    longer = StageInput.of_file("novels", path)
    named = StageInput.of_file("novels", path, "b/a.txt")
    digests = {item.digest for item in (first, changed, longer, named)}
    assert len(digests) == 4


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        StageInput.of_file("novels", tmp_path / "a.txt")


def test_inputs_are_told_apart_by_source_and_content_not_by_order_or_place():
    one = [StageInput("a", "x", "1"), StageInput("b", "y", "2")]
    same = [StageInput("b", "z", "2"), StageInput("a", "x", "1")]
    other = [StageInput("a", "x", "2"), StageInput("b", "y", "1")]
    assert inputs_digest(one) == inputs_digest(same) != inputs_digest(other)
