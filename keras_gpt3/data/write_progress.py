"""How far the writing of token shards is, and how long it will take."""

import contextlib

from keras_gpt3.data.read_progress import read_progress


@contextlib.contextmanager
def write_progress(documents, writers, enabled=None):
    """Show how far the writing is, and the time left where it is known.

    A terminal gets a bar; a file or a pipe gets a line every ten seconds and
    one at the end.
    """
    with read_progress(
        documents,
        lambda: sum(writer.num_tokens for writer in writers),
        "tokens written",
        enabled,
    ) as update:
        yield update
