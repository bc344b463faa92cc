import pytest
from typer.testing import CliRunner

from keras_gpt3.cli.main import app
from tests.small_gpt3 import talking_model

ARGUMENTS = ["the cat", "--max-new-tokens", "9"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    talking_model().save_to_preset(folder)
    return str(folder)


def run(folder, *arguments, **kwargs):
    return CliRunner().invoke(
        app, ["generate", "--model", folder, *arguments], **kwargs
    )


def test_prompt_and_answer_are_written(folder):
    done = run(folder, *ARGUMENTS, "--temperature", "0")
    expected = talking_model().generate(
        "the cat", max_new_tokens=9, temperature=0.0
    )
    assert (done.exit_code, done.stdout) == (0, expected + "\n")


def test_settings_count_and_a_prompt_may_come_from_standard_input(folder):
    settings = {"temperature": 0.8, "top_k": 50, "top_p": 0.9, "seed": 3}
    expected = talking_model().generate("a\nb", max_new_tokens=9, **settings)
    stop = expected[6]
    options = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in settings.items()
    ]
    done = run(
        folder,
        *("-", "--max-new-tokens", "9", "--stop", "\0", "--stop", stop),
        *options,
        input="a\nb\n",
    )
    assert done.exit_code == 0
    assert done.stdout == expected[: expected.index(stop, 3)] + "\n"


@pytest.mark.slow
def test_without_a_seed_runs_write_different_answers(folder):
    answers = {run(folder, *ARGUMENTS).stdout for _ in range(2)}
    assert len(answers) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["", "--max-new-tokens", "2"], "A prompt must have at least one "),
        (["a", "--max-new-tokens", "0"], "max_new_tokens must be an integer "),
        (["a", "--temperature", "-1"], "temperature must be a finite number "),
        (["a", "--truncate", "right"], "truncate must be left, or left out. "),
        (["a", "--quantize", "int3"], "What to quantize to must be int8 or "),
        (["a" * 60], "prompt and max_new_tokens must fit the context of 40 "),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_code_2(
    folder, arguments, message
):
    done = run(folder, *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_file_of_keras_is_told_how_to_become_a_folder(tmp_path):
    file = tmp_path / "m.keras"
    file.write_bytes(b"PK")
    done = run(str(file), "a")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "preset must be a folder, or a name, and no file." in done.stderr
    assert "write a folder with model.save_to_preset." in done.stderr
