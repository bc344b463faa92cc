"""`keras-gpt3 corpus build --config corpus.yaml`: from raw files to shards."""

import pathlib
from typing import Annotated

import typer

from keras_gpt3.cli.options import Set
from keras_gpt3.cli.options import Verbose
from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

corpus_app = typer.Typer(no_args_is_help=True)


@corpus_app.callback()
def corpus_command() -> None:
    """Build token shards from raw files: the paper's Appendix A and C."""


_HELP = {
    "config": "A YAML file; see docs/guides/corpus.md.",
    "workers": "Processes on this machine. Default: one for each processor.",
    "runner": "Another of Beam's runners, such as FlinkRunner.",
    "beam": "One of Beam's own options, such as "
    "--beam=--flink_master=localhost:8081; may be repeated.",
    "overwrite": "Replace stages of other settings.",
    "good": "Files or folders of texts such as are wanted; may be repeated.",
    "bad": "Files or folders of raw texts; may be repeated.",
    "out": "The folder to write the classifier to.",
    "seed": "The same seed gives the same classifier.",
}
_option = options_with(_HELP)
_Config = Annotated[pathlib.Path, _option("config")]
_Workers = Annotated[int | None, _option("workers")]
_Runner = Annotated[str | None, _option("runner")]
_Beam = Annotated[list[str] | None, _option("beam")]
_Overwrite = Annotated[bool, _option("overwrite", "--overwrite")]

_STAGES = {
    "read": "Read the sources' files into parts of documents.",
    "filter": "Drop documents of low quality, by a classifier's score.",
    "dedup": "Drop duplicates and near-duplicates.",
    "decontaminate": "Cut out what evaluation sets hold.",
    "shard": "Tokenize the documents and write them in shuffled order.",
}


@corpus_app.command("build")
def build_command(
    config: _Config,
    set_: Set = None,
    workers: _Workers = None,
    runner: _Runner = None,
    beam: _Beam = None,
    overwrite: _Overwrite = False,
    verbose: Verbose = None,
) -> None:
    """Run all stages, and write a report and the config of a training run.

    Rerunning the command resumes a build that was interrupted. Exits with 0,
    with 1 if no document was left to train on, or with 2 if an argument, the
    config or a file is wrong.
    """
    with user_errors():
        from keras_gpt3.corpus.build import build_corpus
        from keras_gpt3.corpus.pipeline.beam_options import beam_options

        made = _config(config, set_)
        options = beam_options(workers, runner, beam or ())
        built = build_corpus(made, options, verbose, overwrite)
    _tell(built)
    if built.pretrain is None:
        typer.echo(_nothing_left(built.summary["stages"]), err=True)
        raise typer.Exit(code=1)


@corpus_app.command("report")
def report_command(
    config: _Config,
    set_: Set = None,
) -> None:
    """Write the report of the stages that are done.

    Exits with 0, or with 2 if an argument or the config is wrong.
    """
    with user_errors():
        from keras_gpt3.corpus.build import finish_corpus

        built = finish_corpus(_config(config, set_))
    _tell(built)


@corpus_app.command("train-filter")
def train_filter_command(
    good: Annotated[list[pathlib.Path], _option("good")],
    bad: Annotated[list[pathlib.Path], _option("bad")],
    out: Annotated[pathlib.Path, _option("out")],
    seed: Annotated[int, _option("seed")] = 0,
) -> None:
    """Train the classifier that separates good texts from raw ones.

    Prints how well it separates texts that were held out: the area under the
    curve, 1 at best and 0.5 by chance. Exits with 0, or with 2 if an argument
    or a file is wrong.
    """
    with user_errors():
        from keras_gpt3.atomic_write import check_is_free
        from keras_gpt3.corpus.quality.quality_classifier import (
            QualityClassifier,
        )

        # Before the minutes that training takes.
        check_is_free(out)
        classifier = QualityClassifier.train(_texts(good), _texts(bad), seed)
        classifier.save(out)
    typer.echo(
        f"Classifier written to {out}. AUC on texts held out: "
        f"{classifier.held_out_auc:.4f}"
    )


def _stage_command(name):
    def command(
        config: _Config,
        set_: Set = None,
        workers: _Workers = None,
        runner: _Runner = None,
        beam: _Beam = None,
        overwrite: _Overwrite = False,
        verbose: Verbose = None,
    ) -> None:
        with user_errors():
            from keras_gpt3.corpus.build import build_stage
            from keras_gpt3.corpus.pipeline.beam_options import beam_options

            made = _config(config, set_)
            options = beam_options(workers, runner, beam or ())
            stage = build_stage(name, made, options, verbose, overwrite)
        typer.echo(f"{name}: {_kept(stage.totals['all'])}")
        typer.echo(f"Written to {stage.folder}")

    command.__doc__ = (
        f"{_STAGES[name]}\n\nIt takes what the stage before has left. Exits "
        "with 0, or with 2 if an argument, the config or a file is wrong."
    )
    return command


for _name in _STAGES:
    corpus_app.command(_name)(_stage_command(_name))


def _config(path, overrides):
    from keras_gpt3.config_file import read_config
    from keras_gpt3.corpus.corpus_config import CorpusConfig

    return read_config(CorpusConfig, path, overrides or ())


def _texts(paths):
    """The texts of files, without those that cannot be read."""
    from keras_gpt3.corpus.pipeline.document import Document
    from keras_gpt3.corpus.read.read_file import input_files
    from keras_gpt3.corpus.read.read_file import read_file

    for path in input_files(paths):
        for item in read_file(path, "text"):
            if isinstance(item, Document):
                yield item.text


def _kept(counts):
    """How many documents a stage kept, and why it dropped the others."""
    text = (
        f"{counts['documents_out']:,} of {counts['documents_in']:,} documents"
    )
    dropped = [
        f"{number:,} {reason}" for reason, number in counts["dropped"].items()
    ]
    return f"{text}; rejected: {', '.join(dropped)}" if dropped else text


def _nothing_left(stages):
    """Which stage dropped most, where nothing came through."""
    dropped = {
        name: sum(totals["all"].get("dropped", {}).values())
        for name, totals in stages.items()
    }
    worst = max(dropped, key=dropped.get)
    return (
        "A corpus must keep documents to train on. Received: 0 of "
        f"{stages['read']['all'].get('documents_in', 0):,}, of which {worst} "
        f"dropped {dropped[worst]:,}. Add files, or relax that stage; the "
        "report says why each was dropped."
    )


def _tell(built):
    """What was kept, and what was written where."""
    for name, totals in built.summary["stages"].items():
        typer.echo(f"{name}: {_kept(totals['all'])}")
    for name, source in built.summary["sources"].items():
        for side, shards in source["shards"].items():
            typer.echo(
                f"{name}, {side}: {shards['tokens']:,} tokens in "
                f"{shards['documents']:,} documents written to "
                f"{shards['folder']}"
            )
        if "shard" in built.summary["stages"] and not source["shards"]:
            typer.echo(f"{name}: no document was left")
    typer.echo(f"Report written to {built.report / 'corpus.html'}")
    if built.pretrain is not None:
        typer.echo(
            f"Train on it with keras-gpt3 pretrain --config {built.pretrain}"
        )
