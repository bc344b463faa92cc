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
