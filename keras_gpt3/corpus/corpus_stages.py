"""The stages of a build: their order, their folders, and how each is run."""

import dataclasses
import pathlib

# The order of the paper's Appendix A, then C; a folder is its number and name.
STAGES = ("read", "filter", "dedup", "decontaminate", "shard")


def stage_folder(config, name):
    """Where a stage writes to."""
    number = STAGES.index(name) + 1
    return pathlib.Path(config.folder, f"{number}_{name}")


def needed_stages(config):
    """Lists the stages that have something to do.

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


def run_stage_of(name, config, inputs, options, progress, overwrite):
    """Runs one stage of a build."""
    folder = stage_folder(config, name)
    common = {
        "options": options,
        "progress": progress,
        "overwrite": overwrite,
    }
    if name == "read":
        from keras_gpt3.corpus.read_stage import read_stage

        files = {name: s.files for name, s in config.sources.items()}
        settings = dataclasses.asdict(config.read)
        return read_stage(files, folder, **settings, **common)
    run, settings = _stage(name, config)
    return run(settings, inputs, folder, config.seed, **common)


def _filtered(config):
    return [name for name, s in config.sources.items() if s.quality_filter]


def _stage(name, config):
    """The function of a stage but the first, and its settings."""
    if name == "filter":
        from keras_gpt3.corpus.filter_stage import filter_stage

        return filter_stage, dataclasses.replace(
            config.filter, sources=_filtered(config)
        )
    if name == "dedup":
        from keras_gpt3.corpus.dedup_stage import dedup_stage

        removed = {
            source: section.remove_documents_of
            for source, section in config.sources.items()
            if section.remove_documents_of
        }
        return dedup_stage, dataclasses.replace(
            config.dedup, remove_documents_of=removed
        )
    if name == "decontaminate":
        from keras_gpt3.corpus.decontaminate_stage import decontaminate_stage

        return decontaminate_stage, config.decontaminate
    from keras_gpt3.corpus.shard_stage import shard_stage

    return shard_stage, config.shard
