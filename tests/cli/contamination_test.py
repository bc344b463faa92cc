import json

import pytest
import typer
from typer.testing import CliRunner

from keras_gpt3.cli.contamination import contamination_command
from keras_gpt3.data import write_token_shards
from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome
from keras_gpt3.evaluation.few_shot.outcome_cache import OutcomeCache
from keras_gpt3.evaluation.task_definitions.task_data import task_examples
from keras_gpt3.evaluation.task_definitions.task_file import find_tasks
from keras_gpt3.models import GPT3Tokenizer

QUESTION = "Which of the seven hills of Rome is the highest of all"


@pytest.fixture(autouse=True)
def folder_of_the_user(tmp_path, monkeypatch):
    """Where a report goes if nobody says so."""
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    app = typer.Typer()
    app.command()(contamination_command)
    return CliRunner().invoke(app, [*map(str, arguments)])


def write_outcomes(folder, name, count, seed):
    """What an evaluation of a generated task wrote."""
    (task,) = find_tasks([name])
    examples = task_examples(task, "test", seed=seed)[:count]
    with OutcomeCache(folder, {"task": name, "seed": seed}) as cache:
        cache.add(
            Outcome(i, 0, " a", 1.0, example=example.digest)
            for i, example in enumerate(examples)
        )
    (path,) = folder.iterdir()
    return path


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.jsonl"
    lines = [
        {"text": QUESTION, "score": 1},
        {"text": f"{QUESTION[::-1]}, a b c d e f", "score": 0},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(f"He asked: '{QUESTION.upper()}?'")
    return path


def test_texts_are_compared_with_files_and_a_report_is_written(
    tmp_path, texts, corpus
):
    done = run(corpus, "--texts", texts, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    # Nothing beside the table, so that it can be sent to a file.
    _, _, row = done.stdout.splitlines()
    written = tmp_path / "out" / "contamination.html"
    assert done.stderr == f"Report written to {written}\n"
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[0] == str(texts)
    # Of 12 and 18 words the 5th percentile is 12; clean alone has no score.
    assert (cells[1], cells[6], cells[10]) == ("12", "1", "50.0")
    assert cells[11].startswith("-100.0 ")
    assert (tmp_path / "out" / "contamination.png").exists()


def test_a_task_is_compared_with_token_shards(tmp_path):
    tokenizer = GPT3Tokenizer.from_preset("gpt3_small_en")
    (task,) = find_tasks(["two_digit_addition"])
    examples = [e.demonstration for e in task_examples(task, "test", seed=3)]
    write_token_shards([examples[7]], tmp_path / "shards", tokenizer)
    outcomes = write_outcomes(tmp_path / "cache", task.name, 2000, seed=3)
    done = run(
        *(tmp_path / "shards", "--seed", 3),
        *("--tasks", "two_digit_addition", "--outcomes", outcomes),
    )
    assert done.exit_code == 0, done.stderr
    cells = [cell.strip() for cell in done.stdout.splitlines()[-1].split("|")]
    assert cells[1:6] == ["two_digit_addition", "8", "2,000", "0", "2,000"]
    assert cells[6] == "1 (0.998 to 1)"
    # A problem may have been drawn twice.
    assert cells[7] == str(examples.count(examples[7]))
    names = sorted(path.name for path in (tmp_path / "contamination").iterdir())
    assert names == [
        f"contamination.{e}" for e in ("html", "json", "md", "png")
    ]


def test_scrambled_words_have_n_grams_of_their_own_length(tmp_path, corpus):
    corpus.write_text("for example asinoc casino")
    done = run(corpus, "--tasks", "cycle_letters_in_word")
    assert done.exit_code == 0, done.stderr
    *_, own, paper = done.stdout.splitlines()
    for line, name in (
        (own, "cycle_letters_in_word"),
        (paper, "Cycled Letters (dev, acc) in Table C.1"),
    ):
        cells = [cell.strip() for cell in line.split("|")]
        assert cells[1:3] == [name, "2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There must be something to compare. "),
        (["--tasks", "two_digit_adition"], "two_digit_addition"),
        (["--texts", "absent.jsonl"], "A file of texts must exist. "),
        (
            ["--texts", "TEXTS", "--ngram", 0],
            "n must be an integer of at least",
        ),
        (["--texts", "TEXTS", "--outcomes", "CORPUS"], "A file of outcomes "),
        (
            ["--texts", "TEXTS", "--out", "CORPUS"],
            "The folder must be a folder",
        ),
        (["--texts", "TEXTS", "--preset", "gpt3"], "gpt3"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_code_2(
    texts, corpus, arguments, message
):
    places = {"TEXTS": texts, "CORPUS": corpus}
    done = run(corpus, *(places.get(a, a) for a in arguments))
    assert done.exit_code == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("task", "count", "seed", "message"),
    [
        ("two_digit_subtraction", 2000, 0, "be of a task that is compared. "),
        ("two_digit_addition", 1999, 0, "with 1,999 of 2,000, without example"),
        ("two_digit_addition", 2000, 1, "line=2, of another example than "),
    ],
)
def test_outcomes_of_other_examples_raise(
    tmp_path, corpus, task, count, seed, message
):
    path = write_outcomes(tmp_path / "cache", task, count, seed)
    options = ("--tasks", "two_digit_addition", "--outcomes", path)
    done = run(corpus, *options)
    assert done.exit_code == 2
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_two_files_of_outcomes_of_a_task_raise(tmp_path, corpus):
    paths = [
        write_outcomes(tmp_path / name, "two_digit_addition", 2000, 0)
        for name in ("zero", "one")
    ]
    options = ("--outcomes", paths[0], "--outcomes", paths[1])
    done = run(corpus, "--tasks", "two_digit_addition", *options)
    assert done.exit_code == 2
    assert done.stderr == (
        "There must be at most one file of outcomes for a task. Received: "
        f"'{paths[0]}' and '{paths[1]}', both of two_digit_addition. Name one "
        "of them.\n"
    )


def test_development_sets_are_compared_where_there_are_some(tmp_path, corpus):
    (tmp_path / "data/lambada").mkdir(parents=True)
    for split in ("test", "dev"):
        text = json.dumps({"text": f"{QUESTION} {split}"})
        (tmp_path / f"data/lambada/{split}.jsonl").write_text(text)
    options = ["--splits", "test,dev", "--data", tmp_path / "data"]
    done = run(
        corpus, "--tasks", "lambada,two_digit_addition", *options, "--ngram", 8
    )
    assert done.exit_code == 0, done.stderr
    rows = [line.split(" | ")[0] for line in done.stdout.splitlines()[2:]]
    # The paper's row is of the set that it evaluated, not of the other one.
    assert rows == [
        "| lambada",
        "| LAMBADA (No Blanks) (test, acc) in Table C.1",
        "| lambada, dev",
        "| two_digit_addition",
    ]
    assert "two_digit_addition has no development set.\n" in done.stderr
    done = run(corpus, "--tasks", "two_digit_addition", "--splits", "dev")
    assert done.exit_code == 2
    assert (
        "splits=dev, of which these tasks have none. Add test." in done.stderr
    )
    done = run(corpus, "--tasks", "lambada", "--splits", "train")
    assert done.exit_code == 2
    assert "splits must be one of test, dev" in done.stderr
