"""Reads, encodes and writes documents, all three at the same time."""

import collections
import contextlib
import os
from concurrent.futures import ThreadPoolExecutor

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.data.documents import document_batches
from keras_gpt3.reporting.progress import ProgressBar

# What a thread encodes at a time: enough to be worth the way to it, little
# enough for memory.
_BATCH_DOCUMENTS = 1024
_BATCH_CHARACTERS = 2**17


def write_documents(source, encoder, writers, choose, workers, verbose):
    """Encode documents in threads and append them in their order.

    The caller's thread reads and writes while `workers` threads encode. What
    is written does not depend on the number of threads.
    """
    if workers is None:
        workers = usable_processors()
    check_integer("workers", workers, minimum=1)

    def encode(texts):
        return encoder.encode(texts), [choose(text) for text in texts]

    def show():
        tokens = sum(writer.num_tokens for writer in writers)
        bar.update(source.num_bytes_read or 0, f"{tokens:,} tokens written")

    batches = document_batches(source, _BATCH_DOCUMENTS, _BATCH_CHARACTERS)
    with (
        ProgressBar(
            "tokenize", source.num_bytes, verbose=verbose, unit="bytes"
        ) as bar,
        contextlib.closing(ordered_map(encode, batches, workers)) as encoded,
    ):
        for documents, indices in encoded:
            for tokens, index in zip(documents, indices, strict=True):
                writers[index].append(tokens)
            show()
        show()


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


def usable_processors():
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
