"""`keras-gpt3 pretrain --config run.yaml`: a pretraining run, whole."""

import logging
import os
import pathlib
import sys
import time
from typing import Annotated

import typer

from keras_gpt3.cli.options import Set
from keras_gpt3.cli.options import Verbose
from keras_gpt3.cli.user_errors import user_errors

# What the process exits with when the run was stopped before its end.
STOPPED = 75
# Counts how often this process restarted, as another worker had gone, and
# says when it first began, in seconds since 1970.
_RESTARTS = "KERAS_GPT3_RESTARTS"
_STARTED = "KERAS_GPT3_STARTED"
_MOST_RESTARTS = 100


def pretrain_command(
    config: Annotated[
        pathlib.Path,
        typer.Option(help="A YAML file; see docs/guides/train.md."),
    ],
    set_: Set = None,
    resume: Annotated[
        bool,
        typer.Option(
            help="Resume the run that lives in the folder; with "
            "--no-resume one there is an error."
        ),
    ] = True,
    verbose: Verbose = None,
) -> None:
    """Train a model from scratch, or resume a run that stopped.

    A run folder with a checkpoint is resumed. SIGTERM and Ctrl-C save, then
    stop. Exits with 0 at the end of the recipe, 75 if stopped before it, 2 if
    an argument or the config is wrong, 1 if the run went wrong.
    """
    logging.basicConfig(format="%(levelname)s %(message)s")
    logging.getLogger("keras_gpt3").setLevel(logging.INFO)
    started = float(os.environ.setdefault(_STARTED, str(time.time())))
    with user_errors():
        finished, folder = _run(
            config, set_ or [], resume, time.time() - started, verbose
        )
    if not finished:
        typer.echo(
            "Stopped and saved; rerunning the command resumes.", err=True
        )
        raise typer.Exit(code=STOPPED)
    typer.echo(f"The run is finished. Model written to {folder.preset}")


def _run(path, overrides, resume, elapsed_seconds, verbose):
    import keras

    from keras_gpt3.config_file import read_config
    from keras_gpt3.parallel.replicas import is_worker_failure
    from keras_gpt3.parallel.replicas import num_workers
    from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
    from keras_gpt3.training.run.folder import RunFolder
    from keras_gpt3.training.run.pretrain import pretrain

    config = read_config(PretrainingConfig, path, overrides)
    folder = RunFolder(config.folder)
    # Restarted after another worker's end, it is this command's own run.
    if not resume and _RESTARTS not in os.environ:
        folder.check_is_new()
    probe = None
    if config.validation.tasks or config.validation.samples:
        from keras_gpt3.evaluation import TrainingProbe

        probe = TrainingProbe(config.validation, config.seed)
    try:
        finished = pretrain(config, make_model, elapsed_seconds, verbose, probe)
        return finished, folder
    except Exception as error:
        if is_worker_failure(error):
            if keras.config.backend() == "jax":
                _end_at_once(error)
            if num_workers() > 1:
                _begin_anew(error)
        if not isinstance(error, RuntimeError):
            raise
        typer.echo(str(error), err=True)
        raise typer.Exit(code=1) from error


def make_model(section, sequence_length):
    """Make the model of a config."""
    from keras_gpt3.models.gpt3 import GPT3
    from keras_gpt3.preset_loader import is_shipped

    overrides = dict(section.overrides)
    if is_shipped(section.preset):
        # Weights are what the run is to make.
        overrides.setdefault("load_weights", False)
        # A model that was trained keeps the positions that it has.
        if sequence_length is not None:
            overrides.setdefault("max_sequence_length", sequence_length)
    return GPT3.from_preset(
        section.preset,
        dtype=section.dtype,
        preprocessor="auto" if section.preprocessor else None,
        **overrides,
    )


def _end_at_once(error):
    """End this process of JAX, which would wait for the others in vain."""
    typer.echo(
        f"Another process has gone: {_first_line(error)} Start all of them "
        "again: the run resumes from its last checkpoint.",
        err=True,
    )
    os._exit(1)


def _first_line(error):
    return str(error).splitlines()[0][:200]


def _begin_anew(error):
    """Replace this process by one that waits for all workers again."""
    restarts = int(os.environ.get(_RESTARTS, "0"))
    first_line = _first_line(error)
    if restarts >= _MOST_RESTARTS:
        typer.echo(f"Another worker has gone, again: {first_line}", err=True)
        raise typer.Exit(code=1) from error
    typer.echo(
        f"Another worker has gone: {first_line} Restarting from the last "
        "checkpoint.",
        err=True,
    )
    os.environ[_RESTARTS] = str(restarts + 1)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
