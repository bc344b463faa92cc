"""Tests of the progress bar."""

import types

import pytest

from keras_gpt3.data.write_progress import write_progress


@pytest.mark.parametrize("num_bytes", [None, 100])
def test_the_bar_shows_the_tokens_written(capsys, num_bytes):
    documents = types.SimpleNamespace(num_bytes=num_bytes, num_bytes_read=0)
    writer = types.SimpleNamespace(num_tokens=0)
    with write_progress(documents, writer, enabled=True) as update:
        documents.num_bytes_read, writer.num_tokens = 50, 1234567
        update()
    assert "1,234,567 tokens written" in capsys.readouterr().out


@pytest.mark.parametrize("enabled", [False, None])
def test_nothing_is_shown_unless_asked_for_or_on_a_terminal(capsys, enabled):
    with write_progress(None, None, enabled) as update:
        update()
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_the_bar_unasked(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    documents = types.SimpleNamespace(num_bytes=9, num_bytes_read=9)
    writer = types.SimpleNamespace(num_tokens=42)
    with write_progress(documents, writer) as update:
        update()
    assert "42 tokens written" in capsys.readouterr().out
