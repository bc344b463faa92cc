"""Tests of mapping in threads, against the plain map."""

import contextlib
import threading
import time

import pytest

from keras_gpt3.data.write_documents import ordered_map


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
