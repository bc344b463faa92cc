"""Tokenizes a corpus into shards to train on and shards to validate on."""

import hashlib
import pathlib

from keras_gpt3.data.document_encoder import DocumentEncoder
from keras_gpt3.data.documents import Documents
from keras_gpt3.data.shard_writer import ShardWriter
from keras_gpt3.data.token_shards import TokenShards
from keras_gpt3.data.write_documents import write_documents
from keras_gpt3.integer_argument import check_integer

SIDES = ("train", "validation")


def write_split_shards(
    documents,
    folder,
    tokenizer,
    validation_fraction,
    *,
    tokens_per_shard=2**27,
    overwrite=False,
    progress=None,
    workers=None,
):
    """Tokenize documents, a fraction of them into a set for validation.

    A hash of a document's text decides its side. So the same text always
    falls on the same side, in whatever order or company it comes; copies of a
    text are never on both; and what is held out at a fraction stays held out
    at a larger one. The fraction is met in the mean over many documents.

    An error on the way leaves nothing behind. Both sets are on disk before
    either replaces an earlier one.

    Args:
        documents: See `write_token_shards`.
        folder: path. The sets go to its folders `train` and `validation`.
        tokenizer: See `write_token_shards`.
        validation_fraction: float. The share of documents for validation,
            above 0 and below 1.
        tokens_per_shard: int. See `write_token_shards`. Defaults to `2**27`.
        overwrite: bool. Whether to replace sets that are there. Defaults to
            `False`.
        progress: bool or None. See `write_token_shards`. Defaults to `None`.
        workers: int or None. See `write_token_shards`. Defaults to `None`.

    Returns:
        A tuple of two `TokenShards`, for training and for validation.

    Raises:
        FileExistsError: If a set is there and `overwrite` is `False`.
        FileNotFoundError: If a path does not exist.
        TypeError: If a document is no string.
        ValueError: If the fraction is not between 0 and 1, a side gets no
            text, or as for `write_token_shards`.

    Example:

    ```python
    import tempfile

    import keras_gpt3
    from keras_gpt3.data.write_split_shards import write_split_shards

    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    train, validation = write_split_shards(
        (f"Document number {i}" for i in range(100)),
        tempfile.mkdtemp(),
        tokenizer,
        validation_fraction=0.2,
    )
    print(train.num_documents, validation.num_documents)
    ```
    """
    check_integer("tokens_per_shard", tokens_per_shard, minimum=1)
    if not 0 < validation_fraction < 1:
        raise ValueError(
            "validation_fraction must be above 0 and below 1. Received: "
            f"validation_fraction={validation_fraction}. Pass 0.01 to hold out "
            "one document in a hundred."
        )
    encoder = DocumentEncoder(tokenizer)
    source = Documents(documents)
    train, validation = (
        ShardWriter(
            pathlib.Path(folder, side),
            encoder.dtype,
            tokens_per_shard,
            overwrite,
        )
        for side in SIDES
    )

    def choose(text):
        return int(_position(text) < validation_fraction)

    with train, validation:
        writers = [train, validation]
        write_documents(source, encoder, writers, choose, workers, progress)
        _check_sides(train, validation, validation_fraction)
        for writer in writers:
            writer.finish()
        for writer in writers:
            writer.commit(encoder.end_token_id, encoder.vocabulary_size)
    return tuple(TokenShards(pathlib.Path(folder, side)) for side in SIDES)


def _position(text):
    """A number in [0, 1) that depends on the text alone, evenly spread."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    # 53 bits: all of them fit into a float, so that 1 is never reached.
    return (int.from_bytes(digest) >> 11) / 2**53


def _check_sides(train, validation, validation_fraction):
    # Each document has its end-of-text id: equal counts mean no text at all.
    if any(w.num_tokens == w.num_documents for w in (train, validation)):
        raise ValueError(
            "Both sides of a split must hold at least one token of text. "
            f"Received: validation_fraction={validation_fraction} with "
            f"{train.num_documents} documents for training and "
            f"{validation.num_documents} for validation. Pass more documents "
            "or another fraction."
        )
