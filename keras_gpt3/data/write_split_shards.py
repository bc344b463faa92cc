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
