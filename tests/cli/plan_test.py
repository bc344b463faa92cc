import pytest
from typer.testing import CliRunner

import keras_gpt3
from keras_gpt3.cli.main import app


def run(*arguments, columns=80):
    environment = {"COLUMNS": str(columns)}
    return CliRunner().invoke(app, ["plan", *arguments], env=environment)


def shown(result):
    return "\n".join(line.rstrip() for line in result.stdout.splitlines())


def test_what_fits_is_shown_as_python_shows_it_with_code_0():
    result = run("gpt3_small_en", "--memory", "24GB")
    assert result.exit_code == 0
    assert shown(result) == str(keras_gpt3.plan("gpt3_small_en", "24GB"))


def test_every_option_counts():
    result = run(
        *("gpt3_medium_en", "--memory", "40GiB", "--devices", "4"),
        *("--dtype", "float32", "--batch-tokens", "65536", "--length", "4096"),
    )
    plan = keras_gpt3.plan(
        "gpt3_medium_en", 40 * 2**30, 4, "float32", 65536, 4096
    )
    assert result.exit_code == 0
    assert shown(result) == str(plan)
    assert plan.rows == 4


def test_what_does_not_fit_is_shown_with_code_1():
    result = run("gpt3_13b_en", "--memory", "80GB", "--devices", "8")
    assert result.exit_code == 1
    assert result.stdout.startswith("gpt3_13b_en does not fit\n")
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gpt3_smal_en"], "preset must be a shipped name, "),
        (["gpt3_small_en", "--memory", "big"], "A size of memory must be "),
        (["gpt3_small_en", "--devices", "7"], "devices must divide the rows "),
        (["gpt3_small_en", "--devices", "0"], "devices must be an integer "),
        (["gpt3_small_en", "--dtype", "int8"], "dtype must be a known one. "),
    ],
)
def test_a_wrong_argument_is_one_line_on_stderr_and_code_2(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(message)


def test_help_describes_every_option():
    result = run("--help", columns=200)
    assert result.exit_code == 0
    for option in ("memory", "devices", "dtype", "batch-tokens", "length"):
        assert f"--{option}" in result.stdout
    text = " ".join(result.stdout.split())
    assert "Exits with 0 if the model fits, 1 if it does not" in text
