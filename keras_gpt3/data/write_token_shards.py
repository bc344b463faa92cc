"""Tokenizes a corpus into token shards."""

import hashlib
import pathlib

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.data.documents import DocumentEncoder
from keras_gpt3.data.documents import Documents
from keras_gpt3.data.shard_writer import ShardWriter
from keras_gpt3.data.token_shards import TokenShards
from keras_gpt3.data.write_documents import write_documents


def write_token_shards(
    documents,
    folder,
    tokenizer,
    *,
    tokens_per_shard=2**27,
    overwrite=False,
    verbose="auto",
    workers=None,
    text_column="text",
):
    """Tokenize documents into flat files of token ids and one manifest.

    Every document, also an empty one, is followed by the end-of-text id
    (section 2.2 of the paper packs them so). Special tokens in a text are
    encoded as plain text. Files are little-endian uint16, or uint32 where the
    vocabulary has more than 65536 ids: a file's size is two or four bytes a
    token, and their content does not depend on `workers`. An error on the way
    leaves no files.

    Args:
        documents: iterable of strings or of paths, or one path. Paths end
            in `.jsonl` (objects with a `"text"`) or `.txt` (one document), or
            these with `.gz`, or in `.parquet`. Or they are splits of datasets
            of Hugging Face's hub, which arrive as they are read:
            `"hf://datasets/OWNER/NAME[@REVISION]/[CONFIG/]SPLIT"`.
        folder: path. Where to write; created if missing.
        tokenizer: `GPT3Tokenizer`. Or any object with its `encode_batch`,
            `end_token_id` and `vocabulary_size`, which `workers` threads may
            call at once.
        tokens_per_shard: int. A document that would exceed it opens a new
            shard. Defaults to `2**27`, files of 256 MiB.
        overwrite: bool. Whether to replace shards that are there. Defaults to
            `False`.
        verbose: `"auto"` or bool. Whether to show how far it is on standard
            error: a bar on a terminal, elsewhere a line every ten seconds.
            `"auto"` shows the bar, but no lines. Defaults to `"auto"`.
        workers: int or None. How many threads encode, while this one reads
            and writes. `None` is one for each processor that this process may
            use. Defaults to `None`.
        text_column: string. Where the text is in a row of a dataset or of a
            Parquet file, or in an object of a line. Defaults to `"text"`.

    Returns:
        The `TokenShards` written.

    Raises:
        FileExistsError: If the folder holds shards and `overwrite` is `False`.
        FileNotFoundError: If a path does not exist.
        ImportError: If the package that reads a path is not installed.
        OSError: If a dataset of the hub cannot be read.
        TypeError: If a document is not a string.
        ValueError: If the corpus is empty, a path has another suffix, a file
            is malformed or lacks the column, or the tokenizer emits an id
            beyond its vocabulary.

    Example:

    ```python
    import tempfile

    import keras_gpt3

    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    shards = keras_gpt3.data.write_token_shards(
        ["Once upon a time", "there was a model"], tempfile.mkdtemp(), tokenizer
    )
    print(shards.num_documents, shards.num_tokens)
    ```
    """
    check_integer("tokens_per_shard", tokens_per_shard, minimum=1)
    encoder = DocumentEncoder(tokenizer)
    source = Documents(documents, text_column)
    with ShardWriter(
        folder, encoder.dtype, tokens_per_shard, overwrite
    ) as writer:
        write_documents(
            source, encoder, [writer], lambda text: 0, workers, verbose
        )
        _check_not_empty(writer)
        writer.commit(encoder.end_token_id, encoder.vocabulary_size)
    return TokenShards(folder)


def _check_not_empty(writer):
    # Each document has its end-of-text id: equal counts mean no text at all.
    if writer.num_tokens == writer.num_documents:
        raise ValueError(
            "A corpus must hold at least one token of text. Received: "
            f"{writer.num_documents} documents, all of them empty. Pass "
            "documents with text."
        )


SIDES = ("train", "validation")


def write_split_shards(
    documents,
    folder,
    tokenizer,
    validation_fraction,
    *,
    tokens_per_shard=2**27,
    overwrite=False,
    verbose="auto",
    workers=None,
    text_column="text",
):
    """Tokenize documents, a fraction of them into a set for validation.

    A hash of a document's text decides its side. So the same text always
    falls on the same side, in whatever order or company it comes; copies of a
    text are never on both; and what is held out at a fraction stays held out
    at a larger one. The fraction is met in the mean over many documents.

    An error on the way leaves no files. Both sets are on disk before
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
    source = Documents(documents, text_column)
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
        write_documents(source, encoder, writers, choose, workers, verbose)
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
