"""How far the writing of token shards is, and how long it will take."""

import contextlib
import datetime
import sys
import time

# Seconds between two looks at the counts, and between two printed lines.
_BAR_INTERVAL = 0.1
_LINE_INTERVAL = 10


@contextlib.contextmanager
def write_progress(documents, writers, enabled=None):
    """Show how far the writing is, and the time left where it is known.

    A terminal gets a bar; a file or a pipe gets a line every ten seconds and
    one at the end.

    Args:
        documents: `Documents`. Tells how many bytes of how many are read.
        writers: list of `ShardWriter`. Tell how many tokens are written.
        enabled: bool or None. Whether to show anything; `None` does where the
            standard output is a terminal. Defaults to `None`.

    Yields:
        A function without arguments to be called often; it looks at the
        counts when it is time to.

    Example:

    ```python
    import tempfile

    from keras_gpt3.data.documents import Documents
    from keras_gpt3.data.shard_writer import ShardWriter
    from keras_gpt3.data.write_progress import write_progress

    documents = Documents(["Once upon a time"])
    with (
        ShardWriter(tempfile.mkdtemp(), "uint16", 2**27) as writer,
        write_progress(documents, [writer], enabled=True) as update,
    ):
        writer.append([7454, 2402, 257, 640, 50256])
        update()
        writer.commit(end_token_id=50256, vocabulary_size=50257)
    ```
    """
    is_terminal = sys.stdout.isatty()
    if not (is_terminal if enabled is None else enabled):
        yield lambda: None
        return
    show = _bar if is_terminal else _lines
    with show(documents, writers) as (refresh, interval):
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
def _bar(documents, writers):
    from rich import progress

    with progress.Progress(
        progress.TextColumn("{task.fields[tokens]:,} tokens written"),
        progress.BarColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("elapsed, left:"),
        progress.TimeRemainingColumn(),
    ) as bar:
        task = bar.add_task("tokens", total=documents.num_bytes, tokens=0)

        def refresh():
            read = documents.num_bytes_read
            bar.update(task, completed=read, tokens=_num_tokens(writers))

        yield refresh, _BAR_INTERVAL


@contextlib.contextmanager
def _lines(documents, writers):
    start, total = time.monotonic(), documents.num_bytes

    def refresh():
        elapsed = time.monotonic() - start
        line = f"{_num_tokens(writers):,} tokens written, "
        # Empty files hold no byte to be read.
        if total:
            share = documents.num_bytes_read / total
            line += f"{share:.0%} of the bytes read, "
        line += f"{_clock(elapsed)} elapsed"
        if total and 0 < share < 1:
            line += f", {_clock(elapsed * (1 - share) / share)} left"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    yield refresh, _LINE_INTERVAL


def _num_tokens(writers):
    return sum(writer.num_tokens for writer in writers)


def _clock(seconds):
    return str(datetime.timedelta(seconds=round(seconds)))
