import io
import logging
import math
import re
import sys

import pytest
import tensorflow as tf

from keras_gpt3.training.run import sinks
from keras_gpt3.training.run.folder import RunFolder
from keras_gpt3.training.run.log import RunLog
from keras_gpt3.training.run.sinks import ConsoleSink
from keras_gpt3.training.run.sinks import PlotSink
from keras_gpt3.training.run.sinks import TensorBoardSink

# === Console sink ===


TRAIN = {
    "kind": "train",
    "step": 7,
    "tokens_seen": 123456,
    "loss": 3.25,
    "gradient_norm": 0.51234,
    "learning_rate": 6e-4,
    "batch_tokens": 32768,
    "tokens_per_second": 1234.5,
    "recommended_batch_tokens": 40960,
    "seconds_left": 3725.4,
    "model_flops_utilisation": 0.456,
}
VALIDATION = {
    "kind": "validation",
    "step": 7,
    "tokens_seen": 123456,
    "books/loss": 3.5,
    "books/accuracy": 0.3,
    "web/en[1]/loss": 4.0,
    "loss": 3.75,
}
VALIDATION_LINE = "step 7, held-out loss: books 3.5000, web/en[1] 4.0000"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines(*records, is_due=True):
    file = io.StringIO()
    console = ConsoleSink(100, file=file)
    for record in records:
        console(record, is_due)
    console.close()
    return file.getvalue().splitlines()


def test_a_record_makes_a_line_where_there_is_no_terminal():
    assert lines(TRAIN) == [
        "step 7/100, tokens 123,456, loss 3.2500, norm 0.512, rate 0.0006, "
        "batch 32,768, 1,234 tokens/s, utilisation 46%, noise scale "
        "recommends 40,960, 1:02:05 left"
    ]


def test_what_is_not_known_yet_is_left_out():
    unknown = ("tokens_per_second", "recommended_batch_tokens", "seconds_left")
    record = TRAIN | dict.fromkeys(unknown)
    del record["model_flops_utilisation"]
    assert lines(record) == [
        "step 7/100, tokens 123,456, loss 3.2500, norm 0.512, rate 0.0006, "
        "batch 32,768"
    ]


def test_steps_that_are_not_due_make_no_line():
    assert lines(TRAIN, is_due=False) == []


def test_a_validation_makes_a_line_of_its_sets():
    assert lines(VALIDATION) == [VALIDATION_LINE]


@pytest.mark.parametrize(
    "seconds, text",
    [(0.0, "0:00:00"), (59.6, "0:01:00"), (90061.0, "1 day, 1:01:01")],
)
def test_the_time_that_is_left_is_told_in_hours(seconds, text):
    (line,) = lines(TRAIN | {"seconds_left": seconds})
    assert line.endswith(f", {text} left")


def test_a_silent_one_shows_nothing():
    for file in (io.StringIO(), Terminal()):
        console = ConsoleSink(100, verbose=False, file=file)
        for record in (TRAIN, VALIDATION):
            console(record, is_due=True)
        console.close()
        assert file.getvalue() == ""


def on_terminal(monkeypatch, *records, columns=200):
    """What is shown on a terminal, without its control sequences."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    file = Terminal()
    console = ConsoleSink(100, file=file)
    for record in records:
        console(record, is_due=False)
    console.close()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())


def test_a_terminal_shows_a_bar_that_moves_at_every_step(monkeypatch):
    shown = on_terminal(monkeypatch, TRAIN)
    assert "7/100 steps" in shown
    # Halves round to even: 1234.5 is 1,234.
    assert "loss 3.2500, 1,234 tokens/s" in shown
    assert "left: 1:02:05" in shown
    assert "tokens 123,456" not in shown


def test_a_bar_shows_before_there_is_a_rate(monkeypatch):
    unknown = ("tokens_per_second", "seconds_left")
    shown = on_terminal(monkeypatch, TRAIN | dict.fromkeys(unknown))
    assert "loss 3.2500, 0 tokens/s" in shown


@pytest.mark.parametrize("columns", [200, 30])
def test_a_terminal_gets_the_validation_s_line_whole(columns, monkeypatch):
    shown = on_terminal(monkeypatch, TRAIN, VALIDATION, columns=columns)
    assert VALIDATION_LINE in [line.strip() for line in shown.splitlines()]


def test_it_writes_to_standard_error_by_default(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    ConsoleSink(100)(VALIDATION, True)
    assert sys.stderr.getvalue() == VALIDATION_LINE + "\n"
    assert capsys.readouterr().out == ""


def test_it_says_that_it_compiles_and_where_it_stands(monkeypatch):
    start = {"kind": "start", "step": 40}
    assert lines(start) == ["step 40/100, compiling the first step"]
    shown = on_terminal(monkeypatch, start)
    assert "40/100 steps" in shown
    assert "compiling the first step" in shown
    assert "left: ?" in shown
    # A run that is finished compiles nothing.
    assert lines(start | {"step": 100}) == []


# === Plot sink ===


TRAINED = {
    "kind": "train",
    "step": 10,
    "tokens_seen": 640,
    "loss": 9.0,
}
VALIDATED = {"kind": "validation", "step": 10, "tokens_seen": 640}


@pytest.fixture
def drawings(monkeypatch):
    """Steps of the log at each drawing; the file holds how many there were."""
    found = []

    def draw(folder, path):
        records = RunLog(RunFolder(folder).log).read()
        found.append([record["step"] for record in records])
        path.write_text(str(len(found)))

    monkeypatch.setattr(sinks, "plot_run", draw)
    return found


def tell(sink, folder, record, is_due=True):
    """A record as a run tells it: to its log, then to the sink."""
    if is_due:
        RunLog(RunFolder(folder).log).write(record)
    sink(record, is_due)


def test_a_validation_is_drawn_with_all_that_came_before(tmp_path, drawings):
    sink = PlotSink(tmp_path)
    tell(sink, tmp_path, VALIDATED | {"step": 0})
    tell(sink, tmp_path, TRAINED)
    assert drawings == [[0]]
    tell(sink, tmp_path, VALIDATED)
    assert drawings == [[0], [0, 10, 10]]
    assert sink.path == tmp_path / "curves.png"
    assert sink.path.read_text() == "2"


def test_the_end_draws_what_came_after_the_last_validation(tmp_path, drawings):
    sink = PlotSink(tmp_path)
    tell(sink, tmp_path, VALIDATED)
    tell(sink, tmp_path, TRAINED | {"step": 20})
    sink.close()
    assert drawings == [[10], [10, 20]]


def test_the_end_draws_nothing_twice(tmp_path, drawings):
    sink = PlotSink(tmp_path)
    tell(sink, tmp_path, VALIDATED)
    tell(sink, tmp_path, TRAINED | {"step": 11}, is_due=False)
    sink.close()
    assert drawings == [[10]]


def test_a_run_that_ends_before_its_first_record_draws_nothing(
    tmp_path, drawings
):
    PlotSink(tmp_path).close()
    assert drawings == []


def test_the_picture_is_there_and_nothing_beside_it(tmp_path):
    sink = PlotSink(tmp_path)
    tell(sink, tmp_path, VALIDATED | {"books/loss": 9.5})
    assert sink.path.read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {
        "curves.png",
        "log.jsonl",
    }


def test_what_goes_wrong_is_logged_and_tried_again(
    tmp_path, drawings, monkeypatch, caplog
):
    def fail(folder, file):
        raise OSError("No space left on device.")

    sink = PlotSink(tmp_path)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(sinks, "plot_run", fail)
        tell(sink, tmp_path, VALIDATED)
    assert caplog.messages == [
        f"The curves could not be drawn to {tmp_path / 'curves.png'}: No space "
        "left on device. The run continues."
    ]
    sink.close()
    assert drawings == [[10]]


# === Tensorboard sink ===


def scalars(folder):
    """What the event files hold, in order: step, name and number."""
    found = []
    for path in sorted(folder.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                number = tf.make_ndarray(value.tensor).item()
                found.append((event.step, value.tag, number))
    return found


def test_numbers_become_scalars_of_their_step(tmp_path):
    sink = TensorBoardSink(tmp_path / "new")
    sink(
        {
            "kind": "train",
            "step": 3,
            "batch": 5,
            "loss": 2.5,
            "applied": True,
            "tokens_seen": 300_000_000_000,  # More than an int32 holds.
            "noise_scale_tokens": None,
            "contexts": [1, 2],
        },
        is_due=True,
    )
    sink({"kind": "validation", "step": 4, "books/loss": 1.5}, is_due=True)
    assert scalars(tmp_path / "new") == [
        (3, "train/loss", 2.5),
        (3, "train/applied", 1.0),
        (3, "train/tokens_seen", pytest.approx(3e11)),
        (4, "validation/books/loss", 1.5),
    ]


def test_what_is_not_finite_is_written_too(tmp_path):
    sink = TensorBoardSink(tmp_path)
    sink({"kind": "train", "step": 1, "loss": math.nan}, is_due=True)
    ((step, name, number),) = scalars(tmp_path)
    assert (step, name) == (1, "train/loss")
    assert math.isnan(number)


def test_steps_that_are_not_due_are_left_out(tmp_path):
    sink = TensorBoardSink(tmp_path)
    sink({"kind": "train", "step": 1, "loss": 9.0}, is_due=False)
    sink({"kind": "train", "step": 2, "loss": 8.0}, is_due=True)
    assert scalars(tmp_path) == [(2, "train/loss", 8.0)]
