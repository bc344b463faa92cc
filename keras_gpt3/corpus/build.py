"""A whole build: its stages in order, and what it writes at the end."""

import dataclasses
import json
import os
import pathlib

from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import check_is_free
from keras_gpt3.atomic_write import locked_folder
from keras_gpt3.atomic_write import write_json
from keras_gpt3.corpus.decontaminate.decontaminate_stage import (
    decontaminate_stage,
)
from keras_gpt3.corpus.dedup.dedup_stage import dedup_stage
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.part_file import PART_SUFFIX
from keras_gpt3.corpus.pipeline.stage import STAGE_NAME
from keras_gpt3.corpus.pipeline.stage import StageInput
from keras_gpt3.corpus.pipeline.stage import inputs_digest
from keras_gpt3.corpus.pretrain_file import complete_sources
from keras_gpt3.corpus.pretrain_file import mixture_weights
from keras_gpt3.corpus.pretrain_file import write_pretrain_file
from keras_gpt3.corpus.quality.filter_stage import filter_stage
from keras_gpt3.corpus.quality.quality_classifier import QualityClassifier
from keras_gpt3.corpus.read.read_stage import read_stage
from keras_gpt3.corpus.report import write_corpus_report
from keras_gpt3.corpus.shard.shard_stage import shard_stage
from keras_gpt3.corpus.shard.write_buckets import VALIDATION
from keras_gpt3.data.shard_manifest import MANIFEST_NAME
from keras_gpt3.data.shard_manifest import ShardManifest

REPORT_FOLDER = "report"


@dataclasses.dataclass(frozen=True)
class BuiltCorpus:
    """What a build has made."""

    summary: dict
    report: pathlib.Path
    pretrain: pathlib.Path | None


def build_corpus(config, options=None, verbose="auto", overwrite=False):
    """Build token shards from raw files (Appendices A and C).

    The stages are read, filter, dedup, decontaminate and shard, each a folder
    in that of the config; one that has nothing to do is left out. A build that
    was interrupted resumes, one that is done is left as it is, and after a
    change of the input only what depends on it is made again: a new file, and
    those of its source after it, as parts are numbered in the order of the
    files' names. The result is the same for any number of workers.
    `CorpusConfig` says what limits a build.

    Args:
        config: `CorpusConfig`. Sources of Table 2.2's names take from it what
            they leave out.
        options: `PipelineOptions`. What `beam_options` returned. Defaults to
            `None`: all processors of this machine.
        verbose: bool or `"auto"`. Whether to show bars; `"auto"` does on a
            terminal. Defaults to `"auto"`.
        overwrite: bool. Whether stages of other settings may be replaced.
            Defaults to `False`.

    Returns:
        A `BuiltCorpus`.

    Raises:
        FileExistsError: If the folder of a stage holds another run.
        BlockingIOError: If another build writes to the folder.
        FileNotFoundError: If an input does not exist.
        ImportError: If a package of the extra `corpus` is not installed.
        ValueError: If the config contradicts itself.

    Example:

    ```python
    import pathlib

    from keras_gpt3.corpus import CorpusConfig
    from keras_gpt3.corpus import SourceSection
    from keras_gpt3.corpus import beam_options
    from keras_gpt3.corpus import build_corpus

    pathlib.Path("a.txt").write_text("Once upon a time")
    sources = {"books": SourceSection(files=["a.txt"])}
    built = build_corpus(
        CorpusConfig("corpus", sources), beam_options(workers=1)
    )
    built.summary["sources"]["books"]["shards"]["train"]["tokens"]  # 5
    ```
    """
    config = complete_config(config)
    options = options or beam_options()
    inputs, names = [], needed_stages(config)
    check_build(config)
    with _locked(config):
        for name in names:
            stage = run_stage_of(
                name, config, inputs, options, verbose, overwrite
            )
            inputs = stage.outputs()
        return finish_corpus(config)


def _locked(config):
    """Keep other builds out of the folder, which is made."""
    os.makedirs(config.folder, exist_ok=True)
    return locked_folder(config.folder)


def build_stage(name, config, options=None, verbose="auto", overwrite=False):
    """Run one stage alone, on what the one before has left."""
    config = complete_config(config)
    names = needed_stages(config)
    if name not in names:
        raise ValueError(
            "A stage must be one that has something to do. Received: "
            f"stage={echoed(name)} with this config. Use one of "
            f"{', '.join(names)}, or see the config's filter, quality_filter "
            "and decontaminate."
        )
    check_build(config)
    earlier = names[: names.index(name)]
    inputs = part_inputs(stage_folder(config, earlier[-1])) if earlier else []
    with _locked(config):
        return run_stage_of(
            name, config, inputs, options or beam_options(), verbose, overwrite
        )


def finish_corpus(config):
    """Write the report, the numbers beside the shards and `pretrain.yaml`."""
    config = complete_config(config)
    summary = corpus_summary(config)
    pretrain = None
    report = pathlib.Path(config.folder, REPORT_FOLDER)
    with _locked(config):
        if "shard" in summary["stages"]:
            write_summaries(config, summary)
            pretrain = write_pretrain_file(config, summary)
        write_corpus_report(summary, report, config.filter.alpha)
    return BuiltCorpus(summary, report, pretrain)


def complete_config(config):
    """Add to a config's sources what Table 2.2 says of them."""
    return dataclasses.replace(config, sources=complete_sources(config.sources))


def part_inputs(folder):
    """List a stage's parts as inputs of the next one."""
    folder = pathlib.Path(folder)
    paths = sorted(folder.glob(f"*/part-*{PART_SUFFIX}"), key=_place)
    if not paths or not (folder / STAGE_NAME).is_file():
        raise FileNotFoundError(
            "The input of a stage must be the folder of a finished one. "
            f"Received: folder='{folder}' with {len(paths)} parts and "
            f"{'a' if (folder / STAGE_NAME).is_file() else 'no'} {STAGE_NAME}. "
            "Run the stage before, or correct the path."
        )
    inputs = [
        StageInput(path.parent.name, str(path), _digest(path)) for path in paths
    ]
    stage = json.loads((folder / STAGE_NAME).read_bytes())
    if stage.get("outputs") != inputs_digest(inputs):
        raise FileNotFoundError(
            "The input of a stage must have all parts of the stage before. "
            f"Received: folder='{folder}' with {len(paths)} parts, which are "
            f"not those of its {STAGE_NAME}. Run the stage before again."
        )
    return inputs


def _place(path):
    """By number: part-100000 comes after part-99999."""
    number = path.name.removesuffix(PART_SUFFIX).removeprefix("part-")
    return path.parent.name, int(number)


def _digest(path):
    counts = path.with_name(path.name.removesuffix(PART_SUFFIX) + ".json")
    try:
        return json.loads(counts.read_bytes())["digest"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "A part must have its counts beside it. Received: "
            f"file='{counts}' ({echoed(error)}). Run the stage that wrote it "
            "again."
        ) from error


def check_build(config):
    """Raise unless what the later stages read is there.

    A large corpus is read for hours before its filter is needed.
    """
    check_is_free(config.folder, lambda path: True)
    if config.filter.classifier:
        QualityClassifier.load(config.filter.classifier)
    for path in config.decontaminate.texts:
        if not os.path.isfile(path):
            raise FileNotFoundError(
                "A file of evaluation texts must exist. Received: "
                f"decontaminate.texts='{path}'. Correct the path."
            )


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
    """Gather what the stages that are done counted.

    A stage that was made from something else than what the one before has
    now is left out, as is what comes after it.
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
    """Write the numbers, beside each manifest those of its source."""
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


# The order of the paper's Appendix A, then C; a folder is its number and name.
STAGES = ("read", "filter", "dedup", "decontaminate", "shard")


def stage_folder(config, name):
    """Where a stage writes to."""
    number = STAGES.index(name) + 1
    return pathlib.Path(config.folder, f"{number}_{name}")


def needed_stages(config):
    """List the stages that have something to do.

    Without `quality_filter` at any source there is nothing to filter, and
    without evaluation texts nothing to decontaminate from.
    """
    filtered = _filtered(config)
    if filtered and not config.filter.classifier:
        raise ValueError(
            "A source with quality_filter must have a classifier. Received: "
            f"filter.classifier=None for {', '.join(filtered)}. Train one with "
            "keras-gpt3 corpus train-filter, or set "
            f"sources.{filtered[0]}.quality_filter=false."
        )
    if config.filter.classifier and not filtered:
        raise ValueError(
            "A classifier must have a source to filter. Received: "
            f"filter.classifier='{config.filter.classifier}', and no source "
            "with quality_filter. Set sources.NAME.quality_filter=true, or "
            "leave the classifier out."
        )
    is_idle = {
        "filter": not filtered,
        "decontaminate": not (
            config.decontaminate.texts or config.decontaminate.tasks
        ),
    }
    return [name for name in STAGES if not is_idle.get(name)]


def run_stage_of(name, config, inputs, options, verbose, overwrite):
    """Run one stage of a build."""
    common = {
        "options": options,
        "verbose": verbose,
        "overwrite": overwrite,
    }
    folder, sources = stage_folder(config, name), config.sources.items()
    if name == "read":
        files = {source: section.files for source, section in sources}
        return read_stage(config.read, files, folder, **common)
    if name == "filter":
        common |= {"seed": config.seed, "sources": _filtered(config)}
        return filter_stage(config.filter, inputs, folder, **common)
    if name == "dedup":
        common["remove_documents_of"] = {
            source: section.remove_documents_of
            for source, section in sources
            if section.remove_documents_of
        }
        return dedup_stage(config.dedup, inputs, folder, **common)
    if name == "decontaminate":
        section = config.decontaminate
        return decontaminate_stage(section, inputs, folder, **common)
    common["seed"] = config.seed
    return shard_stage(config.shard, inputs, folder, **common)


def _filtered(config):
    return [name for name, s in config.sources.items() if s.quality_filter]
