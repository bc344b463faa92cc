import json

import pytest
from typer.testing import CliRunner

from keras_gpt3.cli.main import app
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.preset_loader import load_shipped_preset
from tests.evaluation.some_runs import LAW
from tests.evaluation.some_runs import record
from tests.evaluation.some_runs import write_run


@pytest.fixture(autouse=True)
def folder_of_the_user(tmp_path, monkeypatch):
    """Where a report goes if nobody says so."""
    monkeypatch.chdir(tmp_path)


def run(*arguments, columns=80):
    environment = {"COLUMNS": str(columns)}
    return CliRunner().invoke(app, ["scaling", *arguments], env=environment)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of four runs that end on a law."""
    folder = tmp_path_factory.mktemp("runs")
    folders = []
    preset = load_shipped_preset("gpt3_small_en")["backbone"]
    for number in range(4):
        overrides = {"num_layers": 2**number}
        count = sum(count_parameters(preset | overrides).values())
        loss = LAW.loss(6 * count * 1e9 / (1e15 * 86400))
        path = folder / f"run{number}"
        write_run(path, [record(10**9, loss)], overrides=overrides)
        folders.append(str(path))
    return folders


def test_the_law_in_the_runs_is_printed_and_written(runs, tmp_path):
    result = run(*runs, "--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Fitted: L = 3 C^-0.06\n")
    assert "Paper, Figure 3.1: L = 2.57 C^-0.048\n" in result.stdout
    assert "Fitted over parameters: L = " in result.stdout
    content = json.loads((tmp_path / "out" / "scaling.json").read_text())
    assert content["law"]["coefficient"] == pytest.approx(LAW.coefficient)
    assert content["law"]["exponent"] == pytest.approx(LAW.exponent)
    over_parameters = content["over_parameters"]
    assert over_parameters["kaplan"]["exponent"] == 0.076
    assert len(set(over_parameters["points"]["parameters"])) == 4
    low, high = content["intervals"]["exponent"]
    assert low <= high == pytest.approx(LAW.exponent)
    assert (tmp_path / "out" / "scaling.png").exists()


def test_the_plain_command_draws_the_plot(runs, tmp_path):
    result = run(*runs)
    assert result.exit_code == 0, result.output
    last = result.stdout.splitlines()[-1]
    assert last == "Report written to scaling/scaling.html"
    written = sorted(path.suffix for path in (tmp_path / "scaling").iterdir())
    assert written == [".html", ".json", ".md", ".png"]


def test_every_option_counts(runs):
    plain = run(*runs).stdout
    assert run(*runs, "--no-embeddings").stdout != plain
    assert "irreducible loss = " in run(*runs, "--irreducible").stdout
    seeds = [run(*runs, "--seed", seed).stdout for seed in ("0", "1")]
    assert seeds[0] == plain


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda runs, new: runs[:2],
            "A scaling law must be fitted to at least",
        ),
        (lambda runs, new: [*runs, str(new)], "A run must be the folder of a "),
        (
            lambda runs, new: [*runs, str(write_run(new, []))],
            "A run must have a log with losses. ",
        ),
        (
            lambda runs, new: [*runs, "--seed", "-1"],
            "seed must be an integer of at least 0. ",
        ),
        (
            lambda runs, new: [*runs, "--points", "all"],
            "points must be 'last' or 'frontier'. ",
        ),
        (
            # Each has one loss: they overlap nowhere.
            lambda runs, new: [*runs, "--points", "frontier"],
            "The frontier must have at least 3 points, ",
        ),
    ],
)
def test_wrong_runs_are_one_line_on_stderr_and_code_2(
    make, message, runs, tmp_path
):
    out = tmp_path / "out"
    result = run(*make(runs, tmp_path / "new"), "--out", str(out))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(message)
    assert not out.exists()


def test_help_describes_every_option():
    result = run("--help", columns=200)
    assert result.exit_code == 0
    for option in ("out", "points", "irreducible", "no-embeddings", "seed"):
        assert f"--{option}" in result.stdout
