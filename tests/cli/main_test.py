import typer
from typer.testing import CliRunner

from keras_gpt3.cli.main import COMMANDS
from keras_gpt3.cli.main import app
from keras_gpt3.version import __version__


def test_version_is_printed_without_a_subcommand():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (
        0,
        f"keras-gpt3 {__version__}\n",
    )


def test_help_lists_the_subcommands():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "describe" in result.stdout
    assert "plan" in result.stdout


def test_an_unknown_subcommand_fails():
    result = CliRunner().invoke(app, ["unheard-of"])
    assert result.exit_code == 2
    assert "unheard-of" in result.stderr


def test_the_help_says_of_a_command_what_it_says_itself():
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    for name in COMMANDS:
        command = typer.main.get_command(app).commands[name]
        sentence = " ".join(command.help.split("\n\n")[0].split())
        assert sentence in " ".join(result.stdout.split()), name
