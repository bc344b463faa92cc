"""The `keras-gpt3` command: each subcommand is one file of this folder.

A subcommand is imported when it runs: TensorFlow takes seconds, which a list
of the commands need not.
"""

import collections.abc
import functools
import importlib
from typing import Annotated

import typer
import typer.core

from keras_gpt3.cli.user_errors import ended_at_once
from keras_gpt3.version import __version__

# What the help says of each, the first sentence of its docstring.
SUMMARIES = {
    "describe": "Show sizes, parameters, memory and recipe; no weight is "
    "allocated.",
    "generate": "Continue a prompt, and write the answer as it comes.",
    "plan": "Say whether a model fits to be trained, and with which arguments.",
    "prepare": "Tokenize text files into shards to train on.",
    "corpus": "Build token shards from raw files: the paper's Appendix A and "
    "C.",
    "pretrain": "Train a model from scratch, or go on with a run that stopped.",
    "finetune": "Fine-tune a model on prompts and completions.",
    "convert": "Convert a checkpoint to a Keras preset, or a preset to a "
    "checkpoint.",
    "export": "Write a model for TensorFlow Serving, or any stock TensorFlow.",
    "serve": "Serve an export over HTTP, with a page to try it on.",
    "evaluate": "Evaluate a model with K demonstrations in its prompt, and no "
    "training.",
    "contamination": "Find evaluation examples that share an n-gram with the "
    "training text.",
    "bias": "Ask a model for gender by occupation, and for races and "
    "religions.",
    "scaling": "Fit L = a C^-b to runs, with intervals, beside the paper's "
    "law.",
    "lm-eval": "Run tasks of lm-evaluation-harness, by its own options.",
}


class _Commands(collections.abc.Mapping):
    """The subcommands by name, each imported when it is asked for."""

    def __getitem__(self, name):
        if name not in SUMMARIES:
            raise KeyError(name)
        return _imported(name)

    def __iter__(self):
        return iter(SUMMARIES)

    def __len__(self):
        return len(SUMMARIES)


class _LazyGroup(typer.core.TyperGroup):
    """A group whose help knows its commands by name and summary alone."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.commands = _Commands()

    def list_commands(self, context):
        return list(SUMMARIES)

    def get_command(self, context, name):
        if name not in SUMMARIES:
            return None
        return typer.core.TyperCommand(name, help=SUMMARIES[name])

    def resolve_command(self, context, arguments):
        name, _, rest = super().resolve_command(context, arguments)
        return name, self.commands[name], rest


@functools.cache
def _imported(name):
    """A subcommand, whole."""
    file = name.replace("-", "_")
    with ended_at_once():
        module = importlib.import_module(f"keras_gpt3.cli.{file}")
    group = getattr(module, f"{file}_app", None)
    if group is not None:
        return typer.main.get_group(group)
    alone = typer.Typer(add_completion=False)
    settings = {"context_settings": getattr(module, "PASS_ON", None)}
    alone.command(name, **settings)(getattr(module, f"{file}_command"))
    return typer.main.get_command(alone)


app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"keras-gpt3 {__version__}")
        raise typer.Exit()


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """GPT-3 for Keras: plan, pretrain, fine-tune, evaluate, convert, serve."""
