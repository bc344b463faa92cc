from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from keras_gpt3.cli.options import Verbose
from keras_gpt3.cli.options import options_with


def test_an_option_has_its_help_and_perhaps_its_own_spelling():
    option = options_with({"seed": "Of the bootstrap.", "set_": "A field."})
    app = typer.Typer()

    @app.command()
    def command(
        seed: Annotated[int, option("seed")] = 0,
        set_: Annotated[str, option("set_", "--set")] = "",
    ) -> None:
        typer.echo(f"{seed} {set_}")

    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert "Of the bootstrap." in shown and "A field." in shown
    done = CliRunner().invoke(app, ["--seed", "3", "--set", "a"])
    assert done.stdout == "3 a\n"


def test_an_option_without_help_raises():
    with pytest.raises(KeyError, match="sed"):
        options_with({"seed": "Of the bootstrap."})("sed")


@pytest.mark.parametrize(
    ("arguments", "verbose"),
    [([], "auto"), (["--verbose"], True), (["--quiet"], False)],
)
def test_one_flag_says_whether_progress_is_shown(arguments, verbose):
    app, received = typer.Typer(), []

    @app.command()
    def command(verbose: Verbose = None) -> None:
        received.append(verbose)

    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert received == [verbose]
