import logging

import pytest

from keras_gpt3.training.run import sinks
from keras_gpt3.training.run.folder import RunFolder
from keras_gpt3.training.run.log import RunLog
from keras_gpt3.training.run.sinks import PlotSink

TRAIN = {"kind": "train", "step": 10, "tokens_seen": 640, "loss": 9.0}
VALIDATION = {"kind": "validation", "step": 10, "tokens_seen": 640}


@pytest.fixture
def drawings(monkeypatch):
    """Steps of the log at each drawing, of which the file tells the number."""
    found = []

    def draw(folder, file):
        records = RunLog(RunFolder(folder).log).read()
        found.append([record["step"] for record in records])
        file.write(str(len(found)).encode())

    monkeypatch.setattr(sinks, "plot_run", draw)
    return found


def tell(sink, folder, record, is_due=True):
    """A record as a run tells it: to its log, then to the sink."""
    if is_due:
        RunLog(RunFolder(folder).log).write(record)
    sink(record, is_due)


def test_a_validation_is_drawn_with_all_that_came_before(tmp_path, drawings):
    sink = PlotSink(tmp_path)
    tell(sink, tmp_path, VALIDATION | {"step": 0})
    tell(sink, tmp_path, TRAIN)
    assert drawings == [[0]]
    tell(sink, tmp_path, VALIDATION)
    assert drawings == [[0], [0, 10, 10]]
    assert sink.path == tmp_path / "curves.png"
    assert sink.path.read_text() == "2"


def test_the_end_draws_what_came_after_the_last_validation(tmp_path, drawings):
    sink = PlotSink(tmp_path)
    tell(sink, tmp_path, VALIDATION)
    tell(sink, tmp_path, TRAIN | {"step": 20})
    sink.close()
    assert drawings == [[10], [10, 20]]


def test_the_end_draws_nothing_twice(tmp_path, drawings):
    sink = PlotSink(tmp_path)
    tell(sink, tmp_path, VALIDATION)
    tell(sink, tmp_path, TRAIN | {"step": 11}, is_due=False)
    sink.close()
    assert drawings == [[10]]


def test_a_run_that_ends_before_its_first_record_draws_nothing(
    tmp_path, drawings
):
    PlotSink(tmp_path).close()
    assert drawings == []


def test_the_picture_is_there_and_nothing_beside_it(tmp_path):
    sink = PlotSink(tmp_path)
    tell(sink, tmp_path, VALIDATION | {"books/loss": 9.5})
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
        tell(sink, tmp_path, VALIDATION)
    assert caplog.messages == [
        f"The curves could not be drawn to {tmp_path / 'curves.png'}: No space "
        "left on device. The run goes on."
    ]
    sink.close()
    assert drawings == [[10]]
