"""`write_progress_test.py` tests what both show."""

import io
import types

import pytest

from keras_gpt3.data.write_documents import read_progress


def test_the_last_line_counts_in_its_unit(capsys):
    documents = types.SimpleNamespace(num_bytes=8, num_bytes_read=0)
    seen = []
    with read_progress(documents, seen.__len__, "read", enabled=True):
        seen.extend("ab")
        documents.num_bytes_read = 4
    assert capsys.readouterr().out == (
        "2 read, 50% of the bytes read, 0:00:00 elapsed, 0:00:00 left\n"
    )


def test_nothing_is_shown_or_counted_unless_asked_for(capsys):
    with read_progress(None, None, "read", enabled=False) as update:
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
