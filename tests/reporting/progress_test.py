import io
import types

import pytest

from keras_gpt3.reporting import progress
from keras_gpt3.reporting.progress import ProgressBar
from keras_gpt3.reporting.progress import clock


@pytest.fixture
def now(monkeypatch):
    """A clock that stands still until it is set."""
    now = types.SimpleNamespace(seconds=1000.0)
    fake = types.SimpleNamespace(monotonic=lambda: now.seconds)
    monkeypatch.setattr(progress, "time", fake)
    return now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("verbose", "is_shown"), [(True, True), (False, False), ("auto", False)]
)
def test_lines_go_to_standard_error_and_only_if_wanted(
    verbose, is_shown, capsys
):
    with ProgressBar("capitals", 3, 1, verbose, "examples") as bar:
        bar.advance(2)
    line = "capitals: 3/3 examples, 0:00:00 elapsed\n" if is_shown else ""
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(
    ("verbose", "is_shown"), [(True, True), (False, False), ("auto", True)]
)
@pytest.mark.parametrize("total", [3, None])
def test_a_terminal_gets_a_bar(verbose, is_shown, total):
    file = Terminal()
    with ProgressBar("capitals", total, 0, verbose, file=file) as bar:
        bar.update(3, "7 [b]tokens")
    shown = file.getvalue()
    for part in ("capitals", "7 [b]tokens", "elapsed, left:"):
        assert (part in shown) is is_shown
    assert ("3/3" in shown) is (is_shown and total is not None)


def test_a_line_every_ten_seconds_shows_the_time_left(capsys, now):
    with ProgressBar("read", 400, verbose=True, unit="bytes") as bar:
        for second in range(1, 26):
            now.seconds = 1000.0 + second
            bar.update(10 * second, f"{second} documents")
    assert capsys.readouterr().err.splitlines() == [
        "read: 25% of the bytes, 10 documents, 0:00:10 elapsed, 0:00:30 left",
        "read: 50% of the bytes, 20 documents, 0:00:20 elapsed, 0:00:20 left",
        "read: 62% of the bytes, 25 documents, 0:00:25 elapsed, 0:00:15 left",
    ]


def test_the_time_left_is_unknown_before_anything_is_done(capsys, now):
    with ProgressBar("read", 9, 4, verbose=True) as bar:
        now.seconds += 10
        bar.update(4)
    line = "read: 4/9, 0:00:10 elapsed\n"
    assert capsys.readouterr().err == line + line


def test_what_was_done_before_says_nothing_of_the_speed(capsys, now):
    with ProgressBar("read", 9, 4, verbose=True) as bar:
        now.seconds += 6
        bar.advance()
    assert capsys.readouterr().err.endswith("0:00:06 elapsed, 0:00:24 left\n")


def test_the_time_left_may_be_known_better(capsys, now):
    with ProgressBar("train", 9, verbose=True) as bar:
        now.seconds += 6
        bar.update(1, seconds_left=3600)
    assert capsys.readouterr().err.endswith("elapsed, 1:00:00 left\n")


@pytest.mark.parametrize("total", [None, 0])
def test_without_a_total_only_the_note_is_shown(capsys, total):
    with ProgressBar("read", total, verbose=True, unit="bytes") as bar:
        bar.update(0, "2 documents")
    assert capsys.readouterr().err == "read: 2 documents, 0:00:00 elapsed\n"


@pytest.mark.parametrize("file", [io.StringIO(), Terminal()])
def test_a_line_of_its_own_is_shown_as_it_is(file):
    with ProgressBar("read", 9, file=file) as bar:
        bar.print("web/en[1] 4.0000")
    assert "web/en[1] 4.0000" in file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0:00:00"), (59.6, "0:01:00"), (90061.0, "1 day, 1:01:01")],
)
def test_a_duration_is_shown_in_hours(seconds, text):
    assert clock(seconds) == text
