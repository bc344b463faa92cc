import random

import pytest
from harness.time_shares import time_shares


def slow_time_shares(intervals, ticks):
    shares = {key: 0 for key, _, _ in intervals}
    for tick in range(ticks):
        running = {k for k, start, end in intervals if start <= tick < end}
        for key in running:
            shares[key] += 1 / len(running)
    return shares


def test_every_instant_is_divided_among_the_keys_that_run():
    rng = random.Random(0)
    intervals = []
    for _ in range(40):
        start = rng.randrange(80)
        intervals.append((rng.choice("abc"), start, start + rng.randrange(9)))
    expected = slow_time_shares(intervals, 100)
    # Sums of thirds, in another order.
    assert time_shares(intervals) == pytest.approx(expected, abs=1e-9)


def test_nothing_has_no_shares():
    assert time_shares([]) == {}
