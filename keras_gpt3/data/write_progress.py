"""The progress bar of writing token shards."""

import contextlib
import sys


@contextlib.contextmanager
def write_progress(documents, writer, enabled=None):
    """Show how far the writing is, and the time left where it is known.

    Args:
        documents: `Documents`. Tells how many bytes of how many are read.
        writer: `ShardWriter`. Tells how many tokens are written.
        enabled: bool or None. Whether to show anything; `None` does where the
            standard output is a terminal. Defaults to `None`.

    Yields:
        A function without arguments that brings the bar up to date.

    Example:

    ```python
    import tempfile

    from keras_gpt3.data.documents import Documents
    from keras_gpt3.data.shard_writer import ShardWriter
    from keras_gpt3.data.write_progress import write_progress

    documents = Documents(["Once upon a time"])
    with (
        ShardWriter(tempfile.mkdtemp(), "uint16", 2**27) as writer,
        write_progress(documents, writer, enabled=True) as update,
    ):
        writer.append([7454, 2402, 257, 640, 50256])
        update()
        writer.commit(end_token_id=50256, vocabulary_size=50257)
    ```
    """
    if not (sys.stdout.isatty() if enabled is None else enabled):
        yield lambda: None
        return
    with _progress_bar() as bar:
        task = bar.add_task("tokens", total=documents.num_bytes, tokens=0)

        def update():
            read = documents.num_bytes_read
            bar.update(task, completed=read, tokens=writer.num_tokens)

        yield update


def _progress_bar():
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.fields[tokens]:,} tokens written"),
        progress.BarColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("elapsed, left:"),
        progress.TimeRemainingColumn(),
    )
