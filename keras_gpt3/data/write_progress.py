"""How far the writing of token shards is, and how long it will take."""

import contextlib

from keras_gpt3.data.read_progress import read_progress


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
    with read_progress(
        documents,
        lambda: sum(writer.num_tokens for writer in writers),
        "tokens written",
        enabled,
    ) as update:
        yield update
