import dataclasses
import json
import pathlib
import re
import shlex

import pytest
import typer
from typer.testing import CliRunner

from keras_gpt3.cli import news_quiz as module
from keras_gpt3.cli.news_quiz import news_quiz_app
from keras_gpt3.evaluation.news_quiz.quiz_answers import read_key
from tests.evaluation.some_quiz import participant
from tests.small_gpt3 import small_text_model

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "guides" / "news_quiz.md"
FEW = ("--shots", "1", "--samples", "2", "--max-new-tokens", "6")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    # Room for a prompt of two articles, in tokens of about a character.
    model = small_text_model(num_layers=1, max_sequence_length=120)
    model.save_to_preset(folder)
    return folder


@pytest.fixture
def articles(tmp_path):
    path = tmp_path / "articles.jsonl"
    lines = [
        {"title": f"T{n}", "subtitle": "the", "text": "the cat sat. "}
        for n in range(5)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def run(*arguments):
    app = typer.Typer()
    app.add_typer(news_quiz_app, name="news-quiz")
    return CliRunner().invoke(app, ["news-quiz", *map(str, arguments)])


def make(articles, folder, out, *options):
    return run(
        "make", articles, "--model", folder, "--out", out, *FEW, *options
    )


def test_a_quiz_is_made_answered_and_scored(tmp_path, folder, articles):
    quiz, report = tmp_path / "quiz", tmp_path / "report"
    check = ("--check-question", "2 and 3?", "--check-answer", "five")
    done = make(articles, folder, quiz, *check)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == (
        f"4 quizzes of 4 articles written to {quiz / 'quiz.html'}, the key "
        "apart from them.\n"
    )
    key = read_key(quiz)
    answers = tmp_path / "answers"
    answers.mkdir()
    for number, (experiment, right) in enumerate([(0, 4), (0, 3), (1, 2)] * 2):
        person = participant(key, experiment, right, name=f"p{number}")
        (answers / f"{number}.json").write_text(
            json.dumps(dataclasses.asdict(person))
        )
    done = run("score", answers, "--quiz", quiz, "--out", report)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("| Model | Participants | Mean accuracy (%)")
    assert "| 2 | 50.0 | 50.0 to 50.0 | " in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last == f"Report written to {report / 'news_quiz.html'}"
    content = json.loads((report / "news_quiz.json").read_text())
    assert [m["accuracy"] for m in content["models"]] == [0.875, 0.5]
    exclude = ("--exclude", "check, looked-up", "--out", report)
    done = run("score", answers, "--quiz", quiz, *exclude)
    assert (
        "Left out: participants who failed the check question (0)."
        in done.stdout
    )


def test_the_same_seed_gives_the_same_quiz(tmp_path, articles, monkeypatch):
    model = small_text_model(num_layers=1, max_sequence_length=120)
    monkeypatch.setattr(module, "load_model", lambda *_: model)
    contents = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        done = make(articles, "m", tmp_path / name, "--seed", seed)
        assert done.exit_code == 0, done.stderr
        files = sorted((tmp_path / name).iterdir())
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shots", "4"], "There must be an article for each shot, and two"),
        (["--samples", "0"], "samples must be an integer of at least 1. "),
        (["--temperature", "0"], "temperature must be a finite number above"),
        (["--control-temperature", "-1"], "control_temperature must be a fi"),
        (["--top-p", "2"], "top_p must be "),
        (["--check-question", "Why?"], "A check question must have its right"),
        (["--welcome", "none.txt"], "A welcome must be a text file in UTF-8"),
        (["--max-new-tokens", "100"], "must fit the context of a model. "),
        (["--out", "FILE"], "The folder must be a folder or not exist yet. "),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_code_2(
    tmp_path, folder, articles, options, message
):
    (tmp_path / "file").write_text("")
    options = [tmp_path / "file" if o == "FILE" else o for o in options]
    done = make(articles, folder, tmp_path / "quiz", *options)
    assert done.exit_code == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (tmp_path / "quiz").exists()


def test_a_score_needs_a_quiz_and_answers(tmp_path):
    done = run("score", tmp_path, "--quiz", tmp_path, "--out", tmp_path / "o")
    assert done.exit_code == 2
    assert "A quiz must be a folder that news-quiz make wrote." in done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "o").exists()


@pytest.mark.slow
def test_the_guides_commands_run_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = GUIDE.read_text("utf-8").replace("\\\n", " ")
    (python,) = re.findall(r"(?s)^```python\n(.*?)^```", text, re.MULTILINE)
    make, score = re.findall(r"(?m)^keras-gpt3 news-quiz (.*)$", text)
    exec(python, {})
    done = run(*shlex.split(make))
    assert done.exit_code == 0, done.stderr
    key = read_key("news_quiz")
    (tmp_path / "answers").mkdir()
    for experiment in (0, 1):
        person = participant(key, experiment, 2, name=f"p{experiment}")
        pathlib.Path(f"answers/{experiment}.json").write_text(
            json.dumps(dataclasses.asdict(person))
        )
    done = run(*shlex.split(score))
    assert done.exit_code == 0, done.stderr
    assert "| Control (tiny) | 1 | 66.7 |" in done.stdout
    assert (tmp_path / "news_quiz_report" / "news_quiz.html").is_file()
