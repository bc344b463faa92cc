"""`keras-gpt3 prepare CORPUS... --out FOLDER`: from text to token shards."""

import pathlib
from typing import Annotated

import typer

from keras_gpt3.cli.options import Tokenizer
from keras_gpt3.cli.options import Verbose
from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

_HELP = {
    "corpora": "Files that end in .jsonl, .jsonl.gz, .txt, .txt.gz or "
    ".parquet, or folders or patterns of such files. A line of a .jsonl is one "
    'JSON object with a "text", one document; a .txt is one document. Or '
    "splits of the hub's datasets, streamed: "
    "hf://datasets/OWNER/NAME[@REVISION]/[CONFIG/]SPLIT, or, instead of a "
    "split, files in the repository.",
    "out": "The folder to write the shards to.",
    "workers": "Threads that tokenize. Default: one for each processor.",
    "tokens_per_shard": "A document that would exceed it opens a new file.",
    "text_column": "Where the text is in a row of Parquet or of a dataset, or "
    "in a line's object.",
    "overwrite": "Replace shards that are there.",
    "validation_fraction": "Share of the documents for validation, chosen by a "
    "hash of their text. Above 0, the shards go to FOLDER/train and "
    "FOLDER/validation.",
}
_option = options_with(_HELP)


def prepare_command(
    corpora: Annotated[
        list[str],
        typer.Argument(metavar="CORPUS...", help=_HELP["corpora"]),
    ],
    out: Annotated[pathlib.Path, _option("out")],
    preset: Tokenizer = "gpt3_small_en",
    workers: Annotated[int | None, _option("workers")] = None,
    tokens_per_shard: Annotated[int, _option("tokens_per_shard")] = 2**27,
    text_column: Annotated[str, _option("text_column")] = "text",
    overwrite: Annotated[bool, _option("overwrite", "--overwrite")] = False,
    validation_fraction: Annotated[float, _option("validation_fraction")] = 0.0,
    verbose: Verbose = None,
) -> None:
    """Tokenize text files into shards to train on.

    The shards are the same for any number of workers. An error on the way
    names its file and line or row, and leaves nothing behind. Exits with 0, or
    with 2 if an argument or a file is wrong.
    """
    options = {
        "tokens_per_shard": tokens_per_shard,
        "overwrite": overwrite,
        "verbose": verbose,
        "workers": workers,
        "text_column": text_column,
    }
    with user_errors():
        from keras_gpt3.data.documents import corpus_files
        from keras_gpt3.data.write_token_shards import write_split_shards
        from keras_gpt3.data.write_token_shards import write_token_shards
        from keras_gpt3.models.gpt3_tokenizer import GPT3Tokenizer

        files = corpus_files(corpora)
        tokenizer = GPT3Tokenizer.from_preset(preset)
        if validation_fraction == 0:
            sets = [write_token_shards(files, out, tokenizer, **options)]
        else:
            sets = write_split_shards(
                files, out, tokenizer, validation_fraction, **options
            )
    for shards in sets:
        typer.echo(_summary(shards))


def _summary(shards):
    import numpy as np

    from keras_gpt3.data.shard_manifest import ShardManifest
    from keras_gpt3.planning.memory import format_bytes

    num_files = len(ShardManifest.read(shards.folder).shards)
    num_bytes = shards.num_tokens * np.dtype(shards.dtype).itemsize
    return (
        f"{_count(shards.num_tokens, 'token')} in "
        f"{_count(shards.num_documents, 'document')} written to "
        f"{shards.folder} ({_count(num_files, 'shard')}, "
        f"{format_bytes(num_bytes)})"
    )


def _count(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
