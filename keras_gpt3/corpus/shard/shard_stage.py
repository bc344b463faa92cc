"""Stage 5: documents become token shards, in one shuffled order a source."""

import dataclasses
import shutil

from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.corpus_pipeline import run_parts
from keras_gpt3.corpus.pipeline.stage import Stage
from keras_gpt3.corpus.shard.tokenize_part import TOKENIZED
from keras_gpt3.corpus.shard.tokenize_part import StoredTokenizer
from keras_gpt3.corpus.shard.tokenize_part import TokenizedPart
from keras_gpt3.corpus.shard.tokenize_part import TokenizePart
from keras_gpt3.corpus.shard.tokenize_part import tokenizer_digest
from keras_gpt3.corpus.shard.tokenize_part import tokens_path
from keras_gpt3.corpus.shard.write_buckets import BUCKETS
from keras_gpt3.corpus.shard.write_buckets import remove_manifests
from keras_gpt3.corpus.shard.write_buckets import shards_are_whole
from keras_gpt3.corpus.shard.write_buckets import write_buckets
from keras_gpt3.corpus.shard.write_buckets import write_manifests
from keras_gpt3.data.documents import DocumentEncoder


def shard_stage(
    settings,
    inputs,
    output,
    seed=0,
    options=None,
    verbose="auto",
    overwrite=False,
    tokenizer=None,
):
    """Tokenize documents and write them in a shuffled order.

    The order is that of a hash of seed and id: it does not depend on parts or
    workers. Parts are tokenized side by side; then each bucket of the order is
    gathered from all of them and becomes a shard. What a kill leaves is taken
    up again. `OUTPUT/SOURCE` is a folder of token shards, and with a
    `validation_fraction`, `OUTPUT/SOURCE/validation` another. A source without
    documents gets none.
    """
    tokenizer = tokenizer or _tokenizer(settings.preset)
    options = options or beam_options(workers=1)
    known = dataclasses.asdict(settings) | {
        "seed": seed,
        # What it knows, not where it was read.
        "preset": tokenizer_digest(tokenizer),
    }
    stage = Stage("shard", output, inputs, known)
    stage.start(overwrite)
    if stage.is_done and not _shards_are_whole(stage):
        stage.reopen()
    if not stage.is_done:
        stored = StoredTokenizer.store(tokenizer, stage.folder / "tokenizer")
        encoder = DocumentEncoder(stored)
        _tokenize(
            stage,
            TokenizePart(stored, seed, settings.validation_fraction),
            encoder.dtype,
            options,
            verbose,
        )
        # No reader takes new shards for those of an old manifest.
        remove_manifests(stage.folder)
        records = write_buckets(
            stage, encoder.dtype, settings, options, verbose
        )
        write_manifests(stage.folder, records, encoder)
        stage.finish()
    _remove_tokenized(stage.folder)
    return stage


def _shards_are_whole(stage):
    sources = stage.totals["sources"]
    return shards_are_whole(
        stage.folder, [name for name in sources if sources[name]["tokens"]]
    )


def _tokenizer(preset):
    from keras_gpt3.models.gpt3_tokenizer import GPT3Tokenizer

    return GPT3Tokenizer.from_preset(preset)


def _tokenize(stage, process_part, dtype, options, verbose):
    for part in stage.parts:
        path = tokens_path(part.folder, part.source, part.name)
        # A finished run keeps the counts only; its inputs have changed since.
        if not TokenizedPart(path, dtype).exists:
            part.reset()
    run_parts(process_part, stage.parts, options, "tokenize", verbose)


def _remove_tokenized(folder):
    """Remove what is in the shards by now."""
    for path in (*folder.glob(f"*/{TOKENIZED}"), folder / BUCKETS):
        shutil.rmtree(path, ignore_errors=True)
