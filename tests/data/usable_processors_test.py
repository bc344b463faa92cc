import os

from keras_gpt3.data.write_documents import usable_processors


def test_those_of_the_process_are_counted(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5})
    assert usable_processors() == 3


def test_else_all_of_the_machine_are(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert usable_processors() == 7
    # Even that may be unknown.
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_processors() == 1
