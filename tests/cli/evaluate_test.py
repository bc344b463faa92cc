import json

import pytest
from typer.testing import CliRunner

from keras_gpt3.cli.main import app
from keras_gpt3.evaluation.results_file import read_results
from tests.evaluation.small_tasks import choosing_records
from tests.small_gpt3 import talking_model

TASK = """
name: choosing
title: Choosing
paper: none
fields: {q: string, choices: list, label: integer}
context: "{{ q }}"
target: ""
choices: "{{ choices }}"
label: "{{ label }}"
scoring: per_token
metrics: [accuracy]
shots: 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, a task and its data."""
    folder = tmp_path_factory.mktemp("evaluate")
    talking_model().save_to_preset(folder / "model")
    (folder / "task.yaml").write_text(TASK)
    (folder / "data/choosing").mkdir(parents=True)
    for split in ("train", "test"):
        lines = map(json.dumps, choosing_records(4))
        path = folder / f"data/choosing/{split}.jsonl"
        path.write_text("\n".join(lines))
    return folder


def run(folder, *options):
    arguments = ["evaluate", folder / "model", "--data", folder / "data"]
    if "--tasks" not in options:
        arguments += ["--tasks", folder / "task.yaml"]
    return CliRunner().invoke(app, [*map(str, arguments), *map(str, options)])


def test_a_report_and_outcomes_are_written(folder, tmp_path):
    out = tmp_path / "out"
    done = run(folder, "--shots", "0,1", "--out", out, "--name", "mine")
    assert done.exit_code == 0, done.output
    assert f"Report written to {out / 'report.html'}\n" in done.output
    assert f"Outcomes written to {out / 'outcomes'}\n" in done.output
    results = read_results(out / "results.json")
    assert [(r.model, r.shots) for r in results] == [("mine", 0), ("mine", 1)]
    assert len(list((out / "outcomes").iterdir())) == 2
    # Once more, from what is known.
    assert run(folder, "--shots", "0,1", "--out", out).exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tasks", "choos_ing"], "A task must be a shipped name or group"),
        (["--shots", "1,x"], "shots must be integers with commas between. Rec"),
        (["--shots", "9"], "Received: shots=9, with 4 in the training split."),
        (["--tasks", "piqa"], "A task's local data must have the split test."),
        (["--limit", "0"], "limit must be an integer of at least 1."),
    ],
)
def test_bad_input_is_one_line(options, message, folder, tmp_path):
    done = run(folder, "--out", tmp_path / "out", *options)
    assert done.exit_code == 2
    assert message in done.stderr.strip().splitlines()[-1]
