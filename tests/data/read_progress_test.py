"""`write_progress_test.py` tests what both show."""

import types

from keras_gpt3.data.read_progress import read_progress


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
