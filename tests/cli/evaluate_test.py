import io
import json
import re

import pytest
from rich.console import Console
from typer.testing import CliRunner

from keras_gpt3.cli import evaluate
from keras_gpt3.cli import model_loading
from keras_gpt3.cli.main import app
from keras_gpt3.evaluation.few_shot import evaluate as evaluation
from keras_gpt3.evaluation.results.results_file import read_results
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks
from tests.evaluation.small_tasks import choosing_records
from tests.small_gpt3 import talking_model

POEM_KEYS = (
    "name title fields context target scoring metrics shots delimiter stop "
    "sampling samples max_new_tokens"
).split()
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
    arguments = [
        "evaluate",
        "--model",
        folder / "model",
        "--data",
        folder / "data",
    ]
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
    # Once more, from what is known, and beside what was measured before.
    both = ["--shots", "0,1", "--out", tmp_path / "both", "--with", out]
    assert run(folder, *both).exit_code == 0
    models = [r.model for r in read_results(tmp_path / "both/results.json")]
    assert models == [str(folder / "model")] * 2 + ["mine"] * 2


def is_no_model(*_, **__):
    pytest.fail("A model was loaded.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tasks", "choos_ing"], "A task must be a shipped name or group"),
        (["--shots", "1,x"], "shots must be integers with commas between. Rec"),
        (
            ["--shots", "0,9"],
            "Received: shots=9, with 3 in the training split of choosing "
            "(file='{folder}/data/choosing/train.jsonl'), the tested",
        ),
        (["--tasks", "piqa"], "A task's local data must have the split test."),
        (["--limit", "0"], "limit must be an integer of at least 1."),
        (["--batch-size", "0"], "batch_size must be an integer of at least 1."),
        (["--with", "nowhere"], "A file of results must be what an evaluatio"),
        (["--seed", "-1"], "seed must be an integer of at least 0."),
    ],
)
def test_bad_input_is_one_line_and_costs_no_model(
    options, message, folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(model_loading, "load_model", is_no_model)
    done = run(folder, "--out", tmp_path / "out", *options)
    assert done.exit_code == 2
    assert message.format(folder=folder) in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"q": None},
            "must have the field 'q' of kind string. Received: file=",
        ),
        ({"choices": [" the"]}, "There must be at least two choices. Received"),
        ({"label": 3}, "A label must be the number of a choice, 0 to 2."),
        ({"q": "hello " * 99}, "A prompt and its answer must fit into 40 "),
    ],
)
def test_a_damaged_record_is_named_by_file_and_line(
    change, message, folder, tmp_path
):
    records = choosing_records(3)
    records[1] |= change
    (tmp_path / "data/choosing").mkdir(parents=True)
    path = tmp_path / "data/choosing/test.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    options = ("--shots", 0, "--data", tmp_path / "data")
    done = run(folder, "--out", tmp_path / "out", *options)
    assert done.exit_code == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert f"file='{path}', line=2" in done.stderr


def test_texts_without_a_score_are_named(folder, tmp_path):
    task = TASK.replace("per_token", "none").replace("[accuracy]", "[]")
    for key in ("choices", "label"):
        task = task.replace(f'{key}: "{{{{ {key} }}}}"\n', "")
    (tmp_path / "task.yaml").write_text(task + "max_new_tokens: 4\n")
    options = ("--tasks", tmp_path / "task.yaml", "--shots", 0, "--limit", 1)
    done = run(folder, "--out", tmp_path / "out", *options)
    assert done.exit_code == 0, done.output
    (path,) = (tmp_path / "out/outcomes").iterdir()
    assert f"Texts written to {tmp_path / 'out/texts.md'}\n" in done.output
    assert path.name.startswith("choosing-shots0")


def test_out_must_be_a_folder(folder):
    done = run(folder, "--out", folder / "task.yaml", "--shots", 0)
    assert done.exit_code == 2
    assert done.stderr == (
        "The folder must be a folder or not exist yet. Received: folder='"
        f"{folder / 'task.yaml'}', where {folder / 'task.yaml'} is a file. "
        "Pass another path.\n"
    )


def test_what_was_finished_before_a_failure_is_reported(
    folder, tmp_path, monkeypatch
):
    def ask(model, task, questions, *settings):
        questions = list(questions)
        if questions[0].shots:
            raise ValueError("Log-likelihoods must be numbers.")
        return real(model, task, questions, *settings)

    real = evaluation.score_examples
    monkeypatch.setattr(evaluation, "score_examples", ask)
    out = tmp_path / "out"
    done = run(folder, "--shots", "0,1", "--out", out)
    assert done.exit_code == 1
    assert done.stderr == "Log-likelihoods must be numbers.\n"
    assert f"Report written to {out / 'report.html'}\n" in done.stdout
    assert [r.shots for r in read_results(out / "results.json")] == [0]


def test_a_terminal_gets_a_table_that_fits():
    rows = [
        (
            "Two-digit addition",
            "a[1]",
            k,
            "0",
            "Accuracy",
            "12.5 ± 1.1",
            "10.1 to 14.2",
            "2,000",
            "",
            paper,
            "90",
            k,
        )
        for k, paper in (("0", "76.9"), ("50", "100"))
    ]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(evaluate.terminal_table(rows))
    lines = [line.strip() for line in console.export_text().splitlines()]
    assert lines[0] == "Model: a[1], Seed: 0, Metric: Accuracy, Examples: 2,000"
    assert [re.split(" {2,}", line) for line in (lines[1], *lines[3:])] == [
        ["Task", "K", "Value ± standard error", "95% interval", "Paper, 175B"],
        ["Two-digit addition", "0", "12.5 ± 1.1", "10.1 to 14.2", "76.9"],
        ["Two-digit addition", "50", "12.5 ± 1.1", "10.1 to 14.2", "100"],
    ]


def test_the_penn_tree_bank_is_a_text_file_of_one_s_own(folder, tmp_path):
    (tmp_path / "ptb.test.txt").write_text(" hello <unk> \n the cat 's \n")
    out = tmp_path / "out"
    options = ["--data", tmp_path, "--tasks", "penn_treebank", "--out", out]
    done = run(folder, *options)
    assert done.exit_code == 0, done.output
    (result,) = read_results(out / "results.json")
    assert (result.metric, result.num_examples) == ("word_perplexity", 2)
    assert "| 20.5 |" in done.output
    text = (out / "report.md").read_text("utf-8")
    assert "a de-tokenizer that it does not print" in text
    (tmp_path / "ptb.test.txt").unlink()
    done = run(folder, *options)
    assert done.exit_code == 2
    assert "ptb.test.txt beside its folder" in done.output


def test_poems_are_drawn_several_times_each(folder, tmp_path):
    (tmp_path / "poems").mkdir()
    poem = {"title": "the cat", "author": "hello"}
    (tmp_path / "poems/test.jsonl").write_text(json.dumps(poem))
    train = [poem | {"poem": text} for text in ("world", "12 12")]
    lines = map(json.dumps, train)
    (tmp_path / "poems/train.jsonl").write_text("\n".join(lines))
    task = shipped_tasks()["poems"]
    words = "\n".join(
        f"{key}: {json.dumps(value)}"
        for key, value in (vars(task) | {"max_new_tokens": 5}).items()
        if value is not None and key in POEM_KEYS
    )
    (tmp_path / "task.yaml").write_text(words)
    texts = []
    for out, more in (("a", ()), ("a", ("--samples", 3))):
        options = ["--data", tmp_path, "--tasks", tmp_path / "task.yaml"]
        options += ["--out", tmp_path / out, *more]
        done = run(folder, *options)
        assert done.exit_code == 0, done.output
        texts.append((tmp_path / out / "texts.md").read_text("utf-8"))
    assert [text.count("Text:") for text in texts] == [4, 3]
    assert "Drawn with temperature 1, top_p 0.9." in texts[0]
    assert texts[0].count("    the cat\n    hello\n") == 1
    # The same three as before are drawn first.
    assert texts[0].startswith(texts[1].rstrip())
