import dataclasses
import json
import math

import pytest

from keras_gpt3.evaluation.results.results_file import read_results
from keras_gpt3.evaluation.results.results_file import with_results_of
from keras_gpt3.reporting.report import json_text
from tests.evaluation.some_results import result


def write(results, path):
    """As a report does."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json_text([dataclasses.asdict(each) for each in results]))


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "results.json"
    results = [result(), result(4, 0.75, num_parameters=None)]
    write(results, path)
    assert read_results(path) == results


def test_what_is_no_number_is_null_and_nan_again(tmp_path):
    path = tmp_path / "results.json"
    write([result(standard_error=math.nan, interval=(1.0, math.inf))], path)
    (fields,) = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert fields["standard_error"] is None and fields["interval"] == [1, None]
    (read,) = read_results(path)
    assert math.isnan(read.standard_error) and math.isnan(read.interval[1])


def test_optional_fields_may_be_left_out_and_integers_are_numbers(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([fields(draws="gone", mean_shots=4)]))
    (read,) = read_results(path)
    assert read == result(mean_shots=4.0)
    assert type(read.mean_shots) is float


def fields(**changes):
    known = dataclasses.asdict(result()) | changes
    return {name: value for name, value in known.items() if value != "gone"}


@pytest.mark.parametrize(
    "content, received",
    [
        ({}, "content={} (Input should be a valid array)"),
        ([1], "[0]=1 (Input should be an object)"),
        (
            [fields(), fields(loss=1.0)],
            "[1].loss=1.0 (Unexpected keyword argument)",
        ),
        (
            [fields(shots=True)],
            "[0].shots=True (Input should be a valid integer",
        ),
        ([fields(seed=0.0)], "[0].seed=0.0 (Input should be a valid integer)"),
        (
            [fields(seed=None)],
            "[0].seed=None (Input should be a valid integer)",
        ),
        (
            [fields(value="0.5")],
            "[0].value='0.5' (Input should be a valid numb",
        ),
        (
            [fields(interval=[0.5, "a"])],
            "[0].interval[1]='a' (Input should be a valid number)",
        ),
        ([fields(model=3)], "[0].model=3 (Input should be a valid string)"),
        ([fields(seed="gone")], "[0].seed={'draws': None, "),
        ([fields(interval=[0.5])], "[0].interval[1]=[0.5] (Field required)"),
    ],
)
def test_other_content_raises_one_line(content, received, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    check_fault(path, received)


@pytest.mark.parametrize("content", [b"[", b"\xff", b"[" * 100_000])
def test_what_is_no_json_raises(content, tmp_path):
    path = tmp_path / "results.json"
    path.write_bytes(content)
    check_fault(path, f"content={content[:9]!r}"[:-1])


def check_fault(path, received):
    with pytest.raises(ValueError) as caught:
        read_results(path)
    message = str(caught.value)
    assert message.startswith(
        "A file of results must be what an evaluation wrote. Received: "
        f"file='{path}', {received}"
    )
    assert message.endswith("). Pass another file.")
    assert "\n" not in message
    assert len(message) < 600


def test_results_of_other_models_stand_beside(tmp_path):
    mine = [result(), result(metric="f1")]
    other = [result(model="other"), result(model="other", metric="f1")]
    write(other, tmp_path / "other" / "results.json")
    write([result(4, model="third")], tmp_path / "third.json")
    found = with_results_of(mine, [tmp_path / "other", tmp_path / "third.json"])
    assert found == [*mine, *other, result(4, model="third")]


def test_a_result_that_is_there_is_not_taken_again(tmp_path):
    path = tmp_path / "results.json"
    write([result(value=0.1), result(metric="f1")], path)
    found = with_results_of([result()], [str(path), path])
    assert found == [result(), result(metric="f1")]


def test_other_results_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        with_results_of([], [tmp_path / "missing"])
