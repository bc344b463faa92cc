import dataclasses
import json
import math
import os

import pytest

from keras_gpt3.evaluation.results.results_file import read_results
from keras_gpt3.evaluation.results.results_file import with_results_of
from keras_gpt3.evaluation.results.results_file import write_results
from tests.evaluation.some_results import result


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "results.json"
    results = [result(), result(4, 0.75, num_parameters=None)]
    write_results(results, path)
    assert read_results(path) == results
    assert [p.name for p in path.parent.iterdir()] == ["results.json"]


def test_what_is_no_number_is_null_and_nan_again(tmp_path):
    path = tmp_path / "results.json"
    write_results(
        [result(standard_error=math.nan, interval=(1.0, math.inf))], path
    )
    (fields,) = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert fields["standard_error"] is None and fields["interval"] == [1, None]
    (read,) = read_results(path)
    assert math.isnan(read.standard_error) and math.isnan(read.interval[1])


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_results([result()], path)

    def fail(self, target):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_results([], path)
    assert read_results(path) == [result()]
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def fields(**changes):
    known = dataclasses.asdict(result()) | changes
    return {name: value for name, value in known.items() if value != "gone"}


@pytest.mark.parametrize(
    "content, message",
    [
        ({}, "A file of results must hold a list. Received: '{path}', which"),
        ([1], "A result must be an object. Received: {path}, result 1: 1."),
        (
            [fields(), fields(loss=1.0)],
            "A result must hold exactly the known fields. Received: {path}, "
            "result 2: unknown=['loss'], missing=[]. Use task, model,",
        ),
        (
            [fields(seed="gone")],
            "A result must hold exactly the known fields. Received: {path}, "
            "result 1: unknown=[], missing=['seed']. Use task,",
        ),
        (
            [fields(shots=True)],
            "The field shots of a result must be an integer. Received: {path}, "
            "result 1: shots=True. Correct it.",
        ),
        (
            [fields(value="0.5")],
            "The field value of a result must be a number. Received:",
        ),
        (
            [fields(interval=[0.5])],
            "The field interval of a result must be a pair of numbers.",
        ),
    ],
)
def test_other_content_raises_one_line(content, message, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError) as caught:
        read_results(path)
    assert str(caught.value).startswith(message.format(path=path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"[", b"\xff", b"[" * 100_000])
def test_what_is_no_json_raises(content, tmp_path):
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="A file of results must be JSON. Rec"):
        read_results(path)


def test_results_of_other_models_stand_beside(tmp_path):
    mine = [result(), result(metric="f1")]
    other = [result(model="other"), result(model="other", metric="f1")]
    write_results(other, tmp_path / "other" / "results.json")
    write_results([result(4, model="third")], tmp_path / "third.json")
    found = with_results_of(mine, [tmp_path / "other", tmp_path / "third.json"])
    assert found == [*mine, *other, result(4, model="third")]


def test_a_result_that_is_there_is_not_taken_again(tmp_path):
    path = tmp_path / "results.json"
    write_results([result(value=0.1), result(metric="f1")], path)
    found = with_results_of([result()], [str(path), path])
    assert found == [result(), result(metric="f1")]


def test_other_results_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        with_results_of([], [tmp_path / "missing"])
