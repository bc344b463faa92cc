"""How far a long reading of documents is, and how long it will take."""

import contextlib
import datetime
import sys
import time

# Seconds between two looks at the counts, and between two printed lines.
_BAR_INTERVAL = 0.1
_LINE_INTERVAL = 10


@contextlib.contextmanager
def read_progress(documents, count, unit, enabled=None, stream=None):
    """Show how far the reading is, and the time left where it is known.

    A terminal gets a bar; a file or a pipe gets a line every ten seconds and
    one at the end.

    Args:
        documents: `Documents`, or what else has `num_bytes` and
            `num_bytes_read`. Tells how many bytes of how many are read.
        count: callable. Without arguments; tells how much is done.
        unit: string. What `count` counts, such as `"tokens written"`.
        enabled: bool or None. Whether to show anything; `None` does where the
            `stream` is a terminal. Defaults to `None`.
        stream: text file. Where to show it; standard error where standard
            output is for results. Defaults to `None`, standard output.

    Yields:
        A function without arguments to be called often; it looks at the
        counts when it is time to.

    Example:

    ```python
    from keras_gpt3.data.documents import Documents
    from keras_gpt3.data.read_progress import read_progress

    documents, seen = Documents(["Once", "upon a time"]), []
    with read_progress(documents, seen.__len__, "read", True) as update:
        for text in documents:
            seen.append(text)
            update()
    # 2 read, 0:00:00 elapsed
    ```
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
