"""Reads, encodes and writes documents, all three at the same time."""

import collections
import contextlib
import datetime
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.data.documents import document_batches

# What a thread encodes at a time: enough to be worth the way to it, little
# enough for memory.
_BATCH_DOCUMENTS = 1024
_BATCH_CHARACTERS = 2**17


def write_documents(source, encoder, writers, choose, workers, progress):
    """Encode documents in threads and append them in their order.

    The caller's thread reads and writes while `workers` threads encode. What
    is written does not depend on the number of threads.
    """
    if workers is None:
        workers = usable_processors()
    check_integer("workers", workers, minimum=1)

    def encode(texts):
        return encoder.encode(texts), [choose(text) for text in texts]

    def count():
        return sum(writer.num_tokens for writer in writers)

    batches = document_batches(source, _BATCH_DOCUMENTS, _BATCH_CHARACTERS)
    with (
        read_progress(source, count, "tokens written", progress) as update,
        contextlib.closing(ordered_map(encode, batches, workers)) as encoded,
    ):
        for documents, indices in encoded:
            for tokens, index in zip(documents, indices, strict=True):
                writers[index].append(tokens)
            update()


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
    """Counts the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# Seconds between two looks at the counts, and between two printed lines.
_BAR_INTERVAL = 0.1
_LINE_INTERVAL = 10


@contextlib.contextmanager
def read_progress(documents, count, unit, enabled=None, stream=None):
    """Show how far the reading is, and the time left where it is known.

    A terminal gets a bar; a file or a pipe gets a line every ten seconds and
    one at the end.
    """
    stream = stream or sys.stdout
    is_terminal = stream.isatty()
    if not (is_terminal if enabled is None else enabled):
        yield lambda: None
        return
    show = _bar if is_terminal else _lines
    with show(documents, count, unit, stream) as (refresh, interval):
        yield _every(interval, refresh)
        refresh()


def _every(interval, refresh):
    """A function that does nothing until `interval` seconds have passed."""
    due = time.monotonic() + interval

    def update():
        nonlocal due
        if time.monotonic() >= due:
            refresh()
            due = time.monotonic() + interval

    return update


@contextlib.contextmanager
def _bar(documents, count, unit, stream):
    from rich import console
    from rich import progress

    with progress.Progress(
        progress.TextColumn("{task.fields[done]:,} " + unit),
        progress.BarColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("elapsed, left:"),
        progress.TimeRemainingColumn(),
        console=console.Console(file=stream),
    ) as bar:
        task = bar.add_task(unit, total=documents.num_bytes, done=0)

        def refresh():
            read = documents.num_bytes_read
            bar.update(task, completed=read, done=count())

        yield refresh, _BAR_INTERVAL


@contextlib.contextmanager
def _lines(documents, count, unit, stream):
    start, total = time.monotonic(), documents.num_bytes

    def refresh():
        elapsed = time.monotonic() - start
        line = f"{count():,} {unit}, "
        # Empty files hold no byte to be read.
        if total:
            share = documents.num_bytes_read / total
            line += f"{share:.0%} of the bytes read, "
        line += f"{_clock(elapsed)} elapsed"
        if total and 0 < share < 1:
            line += f", {_clock(elapsed * (1 - share) / share)} left"
        stream.write(line + "\n")
        stream.flush()

    yield refresh, _LINE_INTERVAL


def _clock(seconds):
    return str(datetime.timedelta(seconds=round(seconds)))
