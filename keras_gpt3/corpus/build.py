"""A corpus build: from raw files to token shards, all stages in order."""

import dataclasses
import os
import pathlib

from keras_gpt3.corpus.beam_options import beam_options
from keras_gpt3.corpus.check_build import check_build
from keras_gpt3.corpus.corpus_stages import needed_stages
from keras_gpt3.corpus.corpus_stages import run_stage_of
from keras_gpt3.corpus.corpus_stages import stage_folder
from keras_gpt3.corpus.corpus_summary import corpus_summary
from keras_gpt3.corpus.corpus_summary import write_summaries
from keras_gpt3.corpus.part_inputs import part_inputs
from keras_gpt3.corpus.pretrain_file import write_pretrain_file
from keras_gpt3.corpus.report import write_corpus_report
from keras_gpt3.corpus.table_2_2 import complete_sources
from keras_gpt3.echoed_value import echoed
from keras_gpt3.folder_lock import locked_folder

REPORT_FOLDER = "report"


@dataclasses.dataclass(frozen=True)
class BuiltCorpus:
    """What a build has made."""

    summary: dict
    report: pathlib.Path
    pretrain: pathlib.Path | None


def build_corpus(config, options=None, progress="auto", overwrite=False):
    """Builds token shards from raw files (Appendices A and C).

    The stages are read, filter, dedup, decontaminate and shard, each a folder
    in that of the config; one that has nothing to do is left out. A build that
    broke off goes on where it was, one that is done is left as it is, and
    after a change of the input only what depends on it is made again: a file
    that is new, and those of its source that come behind it, as parts are
    numbered in the order of the files' names. The result is the same for any
    number of workers. `CorpusConfig` says what limits a build.

    Args:
        config: `CorpusConfig`. Sources of Table 2.2's names take from it what
            they leave out.
        options: `PipelineOptions`, as `beam_options` gives. Defaults to
            `None`: all processors of this machine.
        progress: bool or `"auto"`, which shows bars on a terminal. Defaults
            to `"auto"`.
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
                name, config, inputs, options, progress, overwrite
            )
            inputs = stage.outputs()
        return finish_corpus(config)


def _locked(config):
    """Keeps other builds out of the folder, which is made."""
    os.makedirs(config.folder, exist_ok=True)
    return locked_folder(config.folder)


def build_stage(name, config, options=None, progress="auto", overwrite=False):
    """Runs one stage alone, on what the one before has left."""
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
            name, config, inputs, options or beam_options(), progress, overwrite
        )


def finish_corpus(config):
    """Writes the report, the numbers beside the shards and `pretrain.yaml`."""
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
    """Gives a config's sources what Table 2.2 says of them."""
    return dataclasses.replace(config, sources=complete_sources(config.sources))
