import math
import re
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_gpt3.training.run.folder import RunFolder
from keras_gpt3.training.run.log import RunLog
from keras_gpt3.training.run.log import plot_run

# === Run log ===


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


# === Run plot ===


LOSSES = [10.5, 9.0, math.nan, 8.5, 8.0]
SKIPPED = [0, 0, 1, 1, 3]
RECOMMENDED = [None, None, 256, 512, 384]
LABELS = ["Loss (nats per token)", "Learning rate", "Batch size (tokens)"]
LABELS += ["Gradient norm"]


def training_records():
    """Five records of a run, every tenth step; the third was skipped."""
    for index, loss in enumerate(LOSSES):
        yield {
            "kind": "train",
            "step": 10 * (index + 1),
            "tokens_seen": 1000 * (index + 1),
            "loss": loss,
            "learning_rate": 1e-3 * (5 - index),
            "batch_tokens": 64 * (index + 1),
            "recommended_batch_tokens": RECOMMENDED[index],
            "gradient_norm": math.inf if math.isnan(loss) else loss / 10,
            "skipped_updates": SKIPPED[index],
        }


def held_out_records():
    """Two validations; of the set that is new in the second, one loss."""
    first = {"books/loss": 10.8, "books/accuracy": 0.0, "loss": 10.8}
    second = {"books/loss": 8.6, "web/en/loss": 8.8, "loss": 8.7}
    yield {"kind": "validation", "step": 0, "tokens_seen": 0} | first
    yield {"kind": "validation", "step": 40, "tokens_seen": 4000} | second


def figure_of(folder, records, path=None):
    log = RunLog(RunFolder(folder).log)
    for record in records:
        log.write(record)
    return plot_run(folder, path)


def curves(axis):
    """Label, or "" without one, to the points of each line of a panel."""
    found = {}
    for line in axis.get_lines():
        label = line.get_label()
        label = "" if label.startswith("_") else label
        found[label] = line.get_xydata().tolist()
    return found


def test_panels_hold_the_records_over_the_tokens_seen(tmp_path):
    figure = figure_of(tmp_path, [*held_out_records(), *training_records()])
    assert type(figure) is Figure
    assert [axis.get_ylabel() for axis in figure.axes] == LABELS
    assert figure.axes[-1].get_xlabel() == "Tokens seen"
    nan = math.nan
    tokens = [1000, 2000, 3000, 4000, 5000]
    expected = [
        {
            "": LOSSES,
            # Of so few records each is an average of its own.
            "training, moving average": LOSSES,
        },
        {"": [5e-3, 4e-3, 3e-3, 2e-3, 1e-3]},
        {
            "this run": [64, 128, 192, 256, 320],
            "gradient noise scale": [nan, nan, 256, 512, 384],
        },
        {"": [1.05, 0.9, nan, 0.85, 0.8]},
    ]
    for axis, lines in zip(figure.axes, expected, strict=True):
        received = curves(axis)
        for label, values in lines.items():
            points = np.column_stack([tokens, values])
            np.testing.assert_allclose(received[label], points, rtol=1e-15)


def test_each_held_out_set_has_dots_where_it_was_validated(tmp_path):
    loss, *_ = figure_of(tmp_path, held_out_records()).axes
    received = curves(loss)
    assert set(received) == {
        "",
        "training, moving average",
        "validation: books",
        "validation: web/en",
    }
    assert received["validation: books"] == [[0, 10.8], [4000, 8.6]]
    np.testing.assert_array_equal(
        received["validation: web/en"], [[0, math.nan], [4000, 8.8]]
    )
    assert {line.get_marker() for line in loss.get_lines()[2:]} == {"o"}


def test_the_raw_loss_is_lighter_than_the_smoothed_one(tmp_path):
    loss, *_ = figure_of(tmp_path, training_records()).axes
    raw, smooth = (float(line.get_color()) for line in loss.get_lines())
    assert raw > smooth


def test_updates_that_were_skipped_are_marked_where_the_log_tells(tmp_path):
    *_, norm = figure_of(tmp_path, training_records()).axes
    marks = curves(norm)["updates skipped"]
    assert [tokens for tokens, _ in marks] == [3000, 5000]


def test_a_run_without_skips_or_an_estimate_has_neither_curve(tmp_path):
    whole = {"skipped_updates": 0, "recommended_batch_tokens": None}
    records = [record | whole for record in training_records()]
    *_, batch, norm = figure_of(tmp_path, records).axes
    assert set(curves(batch)) == {"this run"}
    assert set(curves(norm)) == {""}


def test_the_recommended_batch_is_dashed_on_a_logarithmic_scale(tmp_path):
    *_, batch, norm = figure_of(tmp_path, training_records()).axes
    assert batch.get_yscale() == norm.get_yscale() == "log"
    assert [line.get_linestyle() for line in batch.get_lines()] == ["-", "--"]


@pytest.mark.parametrize("records", [training_records, held_out_records])
@pytest.mark.parametrize(
    "name, start", [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")]
)
def test_a_figure_of_either_kind_of_record_is_saved(
    records, name, start, tmp_path, monkeypatch
):
    # An import of pyplot would fail.
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    figure_of(tmp_path, records(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_without_a_path_nothing_is_saved(tmp_path):
    figure_of(tmp_path, training_records())
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_long_run_is_drawn_by_few_points_with_its_spike(tmp_path):
    record = next(training_records())
    records = [record | {"tokens_seen": step} for step in range(4001)]
    records[1234] |= {"loss": 99.0}
    figure = figure_of(tmp_path, records)
    raw = curves(figure.axes[0])[""]
    assert len(raw) <= 2002
    assert [1234, 99.0] in raw
    assert raw[0][0] == 0
    assert raw[-1][0] == 4000


@pytest.mark.parametrize("written", [None, "", '{"kind": "tr'])
def test_a_folder_without_a_record_raises(written, tmp_path):
    if written is not None:
        (tmp_path / "log.jsonl").write_text(written)
    with pytest.raises(FileNotFoundError) as caught:
        plot_run(tmp_path)
    assert str(caught.value) == (
        "A run folder must hold a log with records. Received: folder="
        f"'{tmp_path}', without a whole line in log.jsonl. Pass the folder of "
        "a run that has begun to log."
    )
