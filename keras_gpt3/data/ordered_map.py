"""Applies a function in threads, and keeps the order and memory in bounds."""

import collections
from concurrent.futures import ThreadPoolExecutor

# Items in hand for each thread: one at work, the others so that none waits
# while the caller takes a result and fetches the next item.
_ITEMS_PER_THREAD = 4


def ordered_map(function, items, num_threads):
    """Map items in threads; results come in the order of the items.

    Items are taken in the caller's thread, at most four a thread ahead of the
    results. Close the generator (`contextlib.closing`) to stop early: what has
    not begun is dropped, and no thread is left.
    """
    pending = collections.deque()
    threads = ThreadPoolExecutor(num_threads)
    try:
        for item in items:
            pending.append(threads.submit(function, item))
            if len(pending) == _ITEMS_PER_THREAD * num_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
