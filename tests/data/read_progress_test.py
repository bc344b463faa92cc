"""Tests of the progress bar and of the lines in its place."""

import io
import types

import pytest

from keras_gpt3.data import write_documents as module
from keras_gpt3.data.write_documents import read_progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    clock = types.SimpleNamespace(now=1000.0)
    fake = types.SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr(module, "time", fake)
    return clock


def counts(num_bytes=None, num_tokens=(0,)):
    documents = types.SimpleNamespace(num_bytes=num_bytes, num_bytes_read=0)
    writers = [types.SimpleNamespace(num_tokens=n) for n in num_tokens]
    return documents, writers


def write_progress(documents, writers, enabled):
    def count():
        return sum(writer.num_tokens for writer in writers)

    return read_progress(documents, count, "tokens written", enabled)


@pytest.mark.parametrize("num_bytes", [None, 0, 100])
def test_the_last_line_shows_all_tokens_written(capsys, num_bytes):
    documents, writers = counts(num_bytes, num_tokens=(1234000, 567))
    with write_progress(documents, writers, enabled=True):
        documents.num_bytes_read = num_bytes
    share = "100% of the bytes read, " if num_bytes else ""
    assert capsys.readouterr().out == (
        f"1,234,567 tokens written, {share}0:00:00 elapsed\n"
    )


def test_a_line_every_ten_seconds_shows_the_time_left(capsys, clock):
    documents, writers = counts(num_bytes=400)
    with write_progress(documents, writers, enabled=True) as update:
        for second in range(1, 26):
            clock.now = 1000.0 + second
            documents.num_bytes_read = 10 * second
            writers[0].num_tokens = 1000 * second
            update()
    assert capsys.readouterr().out.splitlines() == [
        "10,000 tokens written, 25% of the bytes read, 0:00:10 elapsed, "
        "0:00:30 left",
        "20,000 tokens written, 50% of the bytes read, 0:00:20 elapsed, "
        "0:00:20 left",
        "25,000 tokens written, 62% of the bytes read, 0:00:25 elapsed, "
        "0:00:15 left",
    ]


def test_the_time_left_is_unknown_before_a_byte_is_read(capsys, clock):
    with write_progress(*counts(num_bytes=9), enabled=True) as update:
        clock.now += 10
        update()
        clock.now += 1
    assert capsys.readouterr().out == (
        "0 tokens written, 0% of the bytes read, 0:00:10 elapsed\n"
        "0 tokens written, 0% of the bytes read, 0:00:11 elapsed\n"
    )


@pytest.mark.parametrize("enabled", [False, None])
def test_nothing_is_shown_unless_asked_for_or_on_a_terminal(capsys, enabled):
    with write_progress(None, None, enabled) as update:
        update()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("enabled", [True, None])
@pytest.mark.parametrize("num_bytes", [None, 9])
def test_a_terminal_gets_the_bar(capsys, monkeypatch, num_bytes, enabled):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    documents, writers = counts(num_bytes, num_tokens=(40, 2))
    with write_progress(documents, writers, enabled):
        documents.num_bytes_read = 9
    shown = capsys.readouterr().out
    assert "42 tokens written" in shown
    assert "elapsed, left:" in shown


def test_a_terminal_may_go_without_the_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with write_progress(None, None, enabled=False) as update:
        update()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("is_terminal", [False, True])
def test_another_stream_is_shown_all_and_decides_by_itself(capsys, is_terminal):
    stream = io.StringIO()
    stream.isatty = lambda: is_terminal
    documents = types.SimpleNamespace(num_bytes=8, num_bytes_read=8)
    with read_progress(documents, lambda: 3, "read", None, stream):
        pass
    assert ("3 read" in stream.getvalue()) == is_terminal
    assert capsys.readouterr() == ("", "")
