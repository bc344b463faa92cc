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

    Args:
        function: callable. From an item to a result. Called by several threads
            at once where `num_threads` is above 1.
        items: iterable.
        num_threads: int. The number of threads, at least 1.

    Yields:
        The results. An error of `function` is raised in its place.

    Example:

    ```python
    from keras_gpt3.data.ordered_map import ordered_map

    print(list(ordered_map(len, ["once", "upon", "a"], num_threads=2)))
    ```
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
