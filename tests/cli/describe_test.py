import pytest
from typer.testing import CliRunner

from keras_gpt3.cli.main import app
from keras_gpt3.planning import describe
from keras_gpt3.preset_loader import named_checkpoints
from keras_gpt3.preset_loader import shipped_presets


def run(*arguments, columns=80):
    environment = {"COLUMNS": str(columns)}
    return CliRunner().invoke(app, ["describe", *arguments], env=environment)


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_without_a_preset_all_are_shown_uncut(columns):
    result = run(columns=columns)
    assert result.exit_code == 0
    first_words = [line.split(" ")[0] for line in result.stdout.splitlines()]
    names = [word for word in first_words if word.startswith("gpt3_")]
    assert names == list(shipped_presets())
    checkpoints = first_words[first_words.index("checkpoint") + 2 :]
    known = list(named_checkpoints())
    assert checkpoints[: len(known)] == known
    assert "…" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    "row",
    [
        "gpt3_small_en 12 768 12 125.2M 125M 0.52M 6.0e-4 0.5 2.0",
        "gpt3_extra_large_en 24 2048 16 1.316B 1.32B 1.05M 2.0e-4 5.3 21.1",
        "gpt3_175b_en 96 12288 96 174.6B 174.6B 3.15M 0.6e-4 698.4 2,794",
        "gpt2_base_en openai-community/gpt2 124.4M 0.5",
        "opt_66b_en facebook/opt-66b 65.72B 262.9",
        "OPT: OPT-175B licence, non-commercial.",
    ],
)
def test_a_row_holds_sizes_paper_recipe_and_memory(row):
    lines = [line.split() for line in run().stdout.splitlines()]
    assert row.split() in lines


def test_one_preset_is_shown_as_python_shows_it():
    result = run("gpt3_13b_en")
    shown = [line.rstrip() for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert "\n".join(shown) == str(describe("gpt3_13b_en"))


def test_a_wrong_name_is_one_line_on_stderr_and_code_2():
    result = run("gpt3_smal_en")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("preset must be a known name, ")
    assert "Use gpt3_small_en, the closest of gpt3_small_en," in result.stderr
