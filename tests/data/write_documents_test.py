"""Tests of the way from documents to writers."""

import contextlib
import os
import threading
import time

import numpy as np
import pytest

from keras_gpt3.data import write_documents as module
from keras_gpt3.data.documents import DocumentEncoder
from keras_gpt3.data.documents import Documents
from keras_gpt3.data.write_documents import ordered_map
from keras_gpt3.data.write_documents import usable_processors
from keras_gpt3.data.write_documents import write_documents

# === Write documents ===


TEXTS = [chr(40 + i) * (i % 7) for i in range(50)]


class ListWriter:
    """Keeps what is appended."""

    def __init__(self):
        self.documents = []
        self.num_tokens = 0

    def append(self, tokens):
        assert isinstance(tokens, np.ndarray)
        self.documents.append(tokens.tolist())


def write(texts, tokenizer, num_writers, choose, workers):
    writers = [ListWriter() for _ in range(num_writers)]
    source, encoder = Documents(texts), DocumentEncoder(tokenizer)
    write_documents(source, encoder, writers, choose, workers, False)
    return [writer.documents for writer in writers]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_document_goes_in_its_order_to_the_writer_chosen(
    tokenizer, monkeypatch, workers
):
    monkeypatch.setattr(module, "_BATCH_CHARACTERS", 9)
    found = write(TEXTS, tokenizer, 3, lambda text: len(text) % 3, workers)
    for side, documents in enumerate(found):
        assert documents == [
            [*map(ord, text), 299] for text in TEXTS if len(text) % 3 == side
        ]


@pytest.mark.parametrize("workers", [1, 3])
def test_documents_are_encoded_by_as_many_threads_as_workers(
    tokenizer, monkeypatch, workers
):
    monkeypatch.setattr(module, "_BATCH_DOCUMENTS", 1)
    barrier = threading.Barrier(workers, timeout=10)
    names, encode_batch = set(), tokenizer.encode_batch

    def meeting(texts, **options):
        barrier.wait()
        names.add(threading.current_thread().name)
        return encode_batch(texts, **options)

    monkeypatch.setattr(tokenizer, "encode_batch", meeting)
    write(TEXTS[: 6 * workers], tokenizer, 1, lambda text: 0, workers)
    assert len(names) == workers
    assert threading.current_thread().name not in names


def test_workers_are_the_usable_processors_unless_given(monkeypatch, tokenizer):
    seen = []
    monkeypatch.setattr(module, "usable_processors", lambda: 3)
    monkeypatch.setattr(
        module, "ordered_map", lambda f, items, n: seen.append(n) or iter_of(())
    )
    write(TEXTS, tokenizer, 1, lambda text: 0, None)
    assert seen == [3]


def iter_of(items):
    yield from items


# === Ordered map ===


# Tests of mapping in threads, against the plain map.


@pytest.mark.parametrize("num_threads", [1, 2, 3])
@pytest.mark.parametrize("num_items", [0, 1, 7, 40])
def test_results_come_in_the_order_of_the_items(num_threads, num_items):
    def slow_at_first(item):
        time.sleep(0.005 if item % 5 == 0 else 0)
        return -item

    results = list(ordered_map(slow_at_first, range(num_items), num_threads))
    assert results == [-item for item in range(num_items)]


def test_as_many_threads_as_asked_for_work_at_once():
    # Each call waits for two others: fewer threads would never meet.
    barrier = threading.Barrier(3, timeout=10)
    assert len(list(ordered_map(lambda _: barrier.wait(), range(6), 3))) == 6


def test_items_are_taken_only_a_few_ahead_of_the_results():
    taken = []
    items = (taken.append(i) or i for i in range(100))
    results = ordered_map(abs, items, num_threads=2)
    for i, result in enumerate(results):
        assert result == i
        assert len(taken) <= i + 2 * 4


def test_an_error_is_raised_in_the_place_of_its_result():
    results = ordered_map(lambda x: 1 // (x - 2), range(9), num_threads=2)
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_error_of_the_items_is_raised():
    items = (1 // (3 - i) for i in range(9))
    with pytest.raises(ZeroDivisionError):
        list(ordered_map(abs, items, num_threads=2))


def test_nothing_runs_on_after_an_early_end():
    before = threading.active_count()
    finished = []

    def note(item):
        time.sleep(0.002)
        finished.append(item)

    with contextlib.closing(ordered_map(note, range(99), 2)) as results:
        next(results)
    count = len(finished)
    assert threading.active_count() == before
    time.sleep(0.02)
    assert len(finished) == count < 99


# === Usable processors ===


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
