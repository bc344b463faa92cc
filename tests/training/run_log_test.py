import math
import re

import pytest

from keras_gpt3.training.run.log import RunLog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.jsonl"


def steps(path):
    return [record["step"] for record in RunLog(path).read()]


def write_steps(path, numbers):
    for step in numbers:
        RunLog(path).write({"step": step, "kind": "train"})


def test_records_come_back_in_their_order(path):
    log = RunLog(path)
    records = [
        {"step": 1, "loss": 10.5, "noise": None, "applied": True},
        {"step": 1, "kind": "validation", "bücher\u2028/loss": 1e-30},
    ]
    for record in records:
        log.write(record)
    assert log.read() == records
    assert path.read_text("utf-8").count("\n") == 2


def test_what_is_not_finite_is_kept(path):
    RunLog(path).write({"step": 1, "loss": math.nan, "perplexity": math.inf})
    RunLog(path).forget_after(1)
    (record,) = RunLog(path).read()
    assert math.isnan(record["loss"])
    assert record["perplexity"] == math.inf


def test_a_log_that_is_not_there_is_empty(path):
    log = RunLog(path)
    log.forget_after(0)
    assert log.read() == []
    assert not path.exists()


@pytest.mark.parametrize("cut", [1, 10, 25])
def test_a_last_line_that_a_kill_cut_off_is_passed_over(path, cut):
    write_steps(path, (1, 2, 3))
    path.write_bytes(path.read_bytes()[:-cut])
    assert steps(path) == [1, 2]
    # Nothing of it stays, to spoil the line that is written next.
    RunLog(path).forget_after(2)
    write_steps(path, (3,))
    assert steps(path) == [1, 2, 3]


@pytest.mark.parametrize(
    "step, kept", [(5, [1, 2, 2, 3, 4]), (2, [1, 2, 2]), (0, []), (-1, [])]
)
def test_later_steps_are_forgotten(path, step, kept):
    # A validation has a record of the same step; another run wrote the last.
    write_steps(path, (1, 2, 2, 3, 4))
    RunLog(path).forget_after(step)
    assert steps(path) == kept
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_start_is_kept_unless_it_comes_again(path):
    write_steps(path, (0, 1))
    RunLog(path).forget_after(0)
    assert steps(path) == [0]
    RunLog(path).forget_after(-1)
    assert steps(path) == []


def test_a_damaged_line_raises(path):
    write_steps(path, (1, 2))
    path.write_text("{oops\n" + path.read_text("utf-8"), "utf-8")
    message = (
        f"Each line of a log must be JSON. Received: line 1 of '{path}', "
        "'{oops'. Delete that line."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        RunLog(path).read()
