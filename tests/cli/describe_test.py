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


def test_figure_2_2_is_written_beside_the_tables(tmp_path):
    path = tmp_path / "compute.svg"
    result = run("--plot", str(path))
    assert result.exit_code == 0
    assert result.stdout.startswith(run().stdout)
    assert result.stdout.split()[-6:-1] == "Figure 2.2 was written to".split()
    assert "T5-11B" in path.read_text()


def test_what_is_assumed_of_the_devices_may_be_others():
    options = ("--watts", "400", "--sustained-tflops", "125", "--pue", "1.2")
    lines = [line.split() for line in run("gpt3_175b_en").stdout.splitlines()]
    others = run("gpt3_175b_en", *options).stdout.splitlines()
    changed = [line.split() for line in others if line.split() not in lines]
    assert changed == [
        "to train on 300B tokens 335 MWh".split(),
        "to generate 100 pages, at least 0.0248 kWh".split(),
        "FLOP/s of a device, assumed 125e12".split(),
        "power of a device, assumed 400 W".split(),
        "PUE of the data center, assumed 1.2".split(),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--watts", "9"], "--watts must come with a preset, whose energy "),
        (["gpt3_13b_en", "--plot", "a.png"], "--plot must come without a pre"),
        (
            ["--plot", "a.xyz"],
            "--plot must name a file that ends in .png, .pdf, .svg. Received: "
            "--plot a.xyz. Write for example compute.png.",
        ),
        (["gpt3_13b_en", "--pue", "0.5"], "pue must be at least 1, what the "),
        (["gpt3_13b_en", "--watts", "0"], "watts must be a finite number abo"),
        (["gpt3_13b_en", "--sustained-tflops", "0"], "sustained_flops must be"),
    ],
)
def test_options_that_cannot_be_are_one_line_and_code_2(
    tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
