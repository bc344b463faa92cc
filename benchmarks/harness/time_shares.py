"""Shares of the wall time, where several things run at once."""

import collections


def time_shares(intervals):
    """Divides each instant equally among the keys that run in it.

    Args:
        intervals: iterable of `(key, start, end)`; those of one key may
            overlap.

    Returns:
        A dict from key to its share. The shares sum to the time in which
        anything ran.

    Example:

    ```python
    time_shares([("a", 0, 10), ("b", 4, 10)])  # {"a": 7.0, "b": 3.0}
    ```
    """
    changes = []
    for key, start, end in intervals:
        changes += [(start, 1, key), (end, -1, key)]
    shares, running, last = collections.Counter(), collections.Counter(), None
    for time, change, key in sorted(changes, key=lambda x: x[0]):
        for other in running:
            shares[other] += (time - last) / len(running)
        running[key] += change
        if not running[key]:
            del running[key]
        last = time
    return dict(shares)
