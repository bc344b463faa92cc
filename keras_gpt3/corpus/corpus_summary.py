"""All numbers of a build, by source and stage, as JSON can hold them."""

import json

from keras_gpt3.corpus.corpus_stages import needed_stages
from keras_gpt3.corpus.corpus_stages import stage_folder
from keras_gpt3.corpus.stage import STAGE_NAME
from keras_gpt3.corpus.table_2_2 import mixture_weights
from keras_gpt3.corpus.write_buckets import VALIDATION
from keras_gpt3.data.shard_manifest import MANIFEST_NAME
from keras_gpt3.data.shard_manifest import ShardManifest
from keras_gpt3.replaced_file import write_json

SUMMARY_NAME = "corpus.json"
_COUNTS = (
    "documents_in",
    "documents_out",
    "characters_in",
    "characters_out",
    "dropped",
    "cut",
    "tokens",
)


def corpus_summary(config):
    """Gathers what the stages that are done counted.

    A stage that was made from something else than what the one before has
    left by now is not told of, nor what comes behind it.

    Args:
        config: `CorpusConfig`, its sources complete.

    Returns:
        A dict: `"sources"`, of the name of each to a dict of `"licence"`,
        `"weight"` (of the sum of all that have documents, or `None`) and
        `"shards"` (the tokens and documents of its folders, by the folder);
        and `"stages"`, of the name of each to its totals.

    Raises:
        FileNotFoundError: If no stage is done.

    Example:

    ```python
    import pathlib

    from keras_gpt3.corpus.beam_options import beam_options
    from keras_gpt3.corpus.corpus_config import CorpusConfig
    from keras_gpt3.corpus.corpus_stages import run_stage_of
    from keras_gpt3.corpus.corpus_summary import corpus_summary
    from keras_gpt3.corpus.source_section import SourceSection

    pathlib.Path("a.txt").write_text("Once upon a time")
    sources = {"books": SourceSection(files=["a.txt"])}
    config = CorpusConfig("corpus", sources)
    run_stage_of("read", config, [], beam_options(workers=1), False, False)
    corpus_summary(config)["stages"]["read"]["all"]["documents_out"]  # 1
    ```
    """
    stages = _totals(config)
    if not stages:
        raise FileNotFoundError(
            "A corpus must have a stage that is done. Received: folder="
            f"'{config.folder}' without any. Run keras-gpt3 corpus build."
        )
    shards = {
        name: _shards(stage_folder(config, "shard") / name)
        if "shard" in stages
        else {}
        for name in config.sources
    }
    # As in a training run, where what has no documents has no share.
    weighed = {
        name: section
        for name, section in config.sources.items()
        if "shard" not in stages or "train" in shards[name]
    }
    weights = mixture_weights(weighed) or {}
    sources = {
        name: {
            "licence": section.licence,
            "weight": weights.get(name),
            "shards": shards[name],
        }
        for name, section in config.sources.items()
    }
    return {"sources": sources, "stages": stages}


def write_summaries(config, summary):
    """Writes the numbers, beside each manifest those of its source.

    Args:
        config: `CorpusConfig`.
        summary: dict, as `corpus_summary` returns it.

    Example:

    ```python
    from keras_gpt3.corpus.corpus_config import CorpusConfig
    from keras_gpt3.corpus.corpus_summary import write_summaries
    from keras_gpt3.corpus.source_section import SourceSection

    config = CorpusConfig("corpus", {"books": SourceSection(files=["a.txt"])})
    books = {"licence": "Public domain.", "weight": None, "shards": {}}
    write_summaries(config, {"sources": {"books": books}, "stages": {}})
    ```
    """
    folder = stage_folder(config, "shard")
    write_json(folder / SUMMARY_NAME, summary)
    for name, source in summary["sources"].items():
        stages = {
            stage: _counts(totals["sources"].get(name, {}))
            for stage, totals in summary["stages"].items()
        }
        if source["shards"]:
            content = {"source": name, **source, "stages": stages}
            write_json(folder / name / SUMMARY_NAME, content)


def _totals(config):
    """The totals of the stages that are done, each made from the one before."""
    stages, left = {}, None
    for name in needed_stages(config):
        path = stage_folder(config, name) / STAGE_NAME
        stage = json.loads(path.read_bytes()) if path.is_file() else {}
        if not stage or (stages and stage.get("inputs") != left):
            break
        stages[name], left = stage["totals"], stage["outputs"]
    return stages


def _shards(folder):
    found = {}
    for key, path in (("train", folder), (VALIDATION, folder / VALIDATION)):
        if (path / MANIFEST_NAME).is_file():
            manifest = ShardManifest.read(path)
            found[key] = {
                "folder": str(path.resolve()),
                "tokens": manifest.num_tokens,
                "documents": manifest.num_documents,
            }
    return found


def _counts(counts):
    return {key: counts[key] for key in _COUNTS if key in counts}
