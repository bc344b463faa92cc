"""The `keras-gpt3` command: each subcommand is one file of this folder.

A subcommand is imported when it runs: TensorFlow takes seconds, which a list
of the commands need not take.
"""

import ast
import collections.abc
import functools
import importlib
import importlib.resources
from typing import Annotated

import typer
import typer.core

from keras_gpt3.cli.user_errors import ended_at_once
from keras_gpt3.version import __version__

COMMANDS = (
    "describe",
    "generate",
    "plan",
    "prepare",
    "corpus",
    "pretrain",
    "finetune",
    "convert",
    "export",
    "serve",
    "evaluate",
    "contamination",
    "bias",
    "news-quiz",
    "scaling",
    "lm-eval",
)


def _summary(name):
    """The first sentence of a command's docstring, from its source alone."""
    file = name.replace("-", "_")
    folder = importlib.resources.files("keras_gpt3.cli")
    for node in ast.parse((folder / f"{file}.py").read_text("utf-8")).body:
        if getattr(node, "name", None) == f"{file}_command":
            return ast.get_docstring(node).split("\n\n")[0]
    return ""


class _Commands(collections.abc.Mapping):
    """The subcommands by name, each imported when it is used."""

    def __getitem__(self, name):
        if name not in COMMANDS:
            raise KeyError(name)
        return _imported(name)

    def __iter__(self):
        return iter(COMMANDS)

    def __len__(self):
        return len(COMMANDS)


class _LazyGroup(typer.core.TyperGroup):
    """A group whose help knows its commands by name and summary alone."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.commands = _Commands()

    def list_commands(self, context):
        return list(COMMANDS)

    def get_command(self, context, name):
        if name not in COMMANDS:
            return None
        return typer.core.TyperCommand(name, help=_summary(name))

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
