import sys

import pytest
from typer.testing import CliRunner

from keras_gpt3.cli.main import app

pytest.importorskip("lm_eval", reason="the extra [evaluate] is not installed")


@pytest.fixture
def calls(monkeypatch):
    """The command lines that the harness' own command gets."""
    from lm_eval import __main__ as command

    seen = []
    monkeypatch.setattr(command, "cli_evaluate", lambda: seen.append(sys.argv))
    return seen


def run(*arguments):
    return CliRunner().invoke(app, ["lm-eval", *arguments])


OURS = ["lm-eval", "run", "--model", "keras-gpt3", "--batch_size", "8"]
ARGUMENTS = ["--model_args", "preset=a,dtype=b", "--tasks", "c,d", "-L", "2"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (ARGUMENTS, [*OURS, *ARGUMENTS]),
        (["run", *ARGUMENTS, "-s"], [*OURS, *ARGUMENTS, "-s"]),
        (["--config", "a.yaml"], [*OURS[:4], "--config", "a.yaml"]),
        (["-t", "a", "--batch_size=4"], [*OURS, "-t", "a", "--batch_size=4"]),
        (["ls", "tasks"], ["lm-eval", "ls", "tasks"]),
        (["validate", "--tasks", "a"], ["lm-eval", "validate", "--tasks", "a"]),
        (["--help"], [*OURS, "--help"]),
    ],
)
def test_options_are_passed_on_with_the_model(calls, arguments, expected):
    before = sys.argv
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert calls == [expected]
    assert sys.argv is before


@pytest.mark.parametrize("option", [["--model", "hf"], ["--model=hf"], ["-M"]])
def test_another_model_is_refused(calls, option):
    done = run(*option, "--tasks", "a")
    assert (done.exit_code, calls) == (2, [])
    assert done.stderr == (
        "--model must be left out, for it is always keras-gpt3. Received: "
        f"{option[0]}. Name the model as --model_args preset=...\n"
    )


def test_help_is_the_harness_own():
    done = run("--help")
    assert done.exit_code == 0
    assert "--num_fewshot" in done.stdout


def test_without_the_harness_a_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval.__main__", None)
    done = run("--tasks", "a")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert done.stderr.endswith("pip install 'keras-gpt3[evaluate]'.\n")


def test_a_wrong_argument_of_the_model_is_a_line(monkeypatch):
    from lm_eval import __main__ as command
    from lm_eval.api.registry import get_model

    def evaluate():
        made = get_model("keras-gpt3")
        made.create_from_arg_obj({"pretrained": "gpt2"}, {"batch_size": 1})

    monkeypatch.setattr(command, "cli_evaluate", evaluate)
    done = run("--model_args", "pretrained=gpt2", "--tasks", "a")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("model_args must be among preset, ")
