"""Writes the config of a pretraining run on a corpus."""

import pathlib

from keras_gpt3.corpus.table_2_2 import mixture_weights
from keras_gpt3.corpus.write_buckets import VALIDATION
from keras_gpt3.training.config_file import write_config
from keras_gpt3.training.data_section import DataSection
from keras_gpt3.training.model_section import ModelSection
from keras_gpt3.training.pretraining_config import PretrainingConfig

PRETRAIN_NAME = "pretrain.yaml"


def write_pretrain_file(config, summary):
    """Writes `pretrain.yaml`, for `keras-gpt3 pretrain --config`.

    A source without documents is left out, and the weights of the others are
    divided by their sum. Where a source has none, the tokens decide.

    Args:
        config: `CorpusConfig`, its sources complete.
        summary: dict, as `corpus_summary` returns it.

    Returns:
        The `pathlib.Path` of the file, or `None` if there are no shards.

    Example:

    ```python
    import pathlib

    from keras_gpt3.corpus.corpus_config import CorpusConfig
    from keras_gpt3.corpus.pretrain_file import write_pretrain_file
    from keras_gpt3.corpus.source_section import SourceSection

    shards = {"train": {"folder": "corpus/5_shard/books", "tokens": 9}}
    summary = {"sources": {"books": {"weight": 1.0, "shards": shards}}}
    sources = {"books": SourceSection(files=["books"])}
    pathlib.Path("corpus").mkdir()
    write_pretrain_file(CorpusConfig("corpus", sources), summary)
    ```
    """
    sources = {
        name: source
        for name, source in summary["sources"].items()
        if "train" in source["shards"]
    }
    if not sources:
        return None
    folder = pathlib.Path(config.folder).resolve()
    data = DataSection(
        shards=_folders(sources, "train"),
        # Once more: a source without documents has no share.
        weights=mixture_weights({n: config.sources[n] for n in sources}),
        validation=_folders(sources, VALIDATION),
    )
    run = PretrainingConfig(
        folder=str(folder / "run"),
        model=ModelSection(preset=config.shard.preset),
        data=data,
        seed=config.seed,
    )
    write_config(run, folder / PRETRAIN_NAME)
    return folder / PRETRAIN_NAME


def _folders(sources, side):
    return {
        name: source["shards"][side]["folder"]
        for name, source in sources.items()
        if side in source["shards"]
    }
