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
    """Writes the numbers, beside each manifest those of its source."""
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
