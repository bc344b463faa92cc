"""`keras-gpt3 news-quiz make`, `score`: people's judgement (section 3.9.4)."""

import pathlib
from typing import Annotated

import typer

from keras_gpt3.cli.model_loading import load_model
from keras_gpt3.cli.options import DType
from keras_gpt3.cli.options import Verbose
from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

news_quiz_app = typer.Typer(no_args_is_help=True)


@news_quiz_app.callback()
def news_quiz_command() -> None:
    """Have people tell a model's news articles from real ones."""


_HELP = {
    "articles": "A .jsonl of real articles: title, subtitle and text. The "
    "first ones stand in the prompts, the others are in the quiz.",
    "model": "A preset's name, a model's folder, or hf://...; may be repeated. "
    "All are held in memory at once.",
    "control": "The model of the deliberately bad articles; the paper's had "
    "160M parameters. Default: the first model.",
    "out": "The folder of quiz.html, for participants, and key.json, for you "
    "alone.",
    "shots": "Articles in a prompt, but for the control's.",
    "samples": "Articles to draw of each title; the one whose length is "
    "closest to the real one's is taken.",
    "max_new_tokens": "The most tokens of an article.",
    "temperature": "Of the models' sampling.",
    "top_p": "Of the models' sampling; the control's is 1.",
    "control_temperature": "Of the control's sampling.",
    "seed": "The same seed gives the same quiz.",
    "welcome": "A text file to show first, such as what participants consent "
    "to; an empty line ends a paragraph.",
    "check_question": "A question to ask in the end: who pays attention?",
    "check_answer": "Its right answer, but for upper case.",
    "answers": "Files that the page saved, or folders of them.",
    "quiz": "The folder that make wrote.",
    "exclude": "What to leave out, with commas between: check (who failed the "
    "check question, as the paper did), looked-up (who looked something up), "
    "seen (answers about articles seen before). Default: nothing.",
    "report": "The folder of news_quiz.md, .html, .json and .png.",
}
_option = options_with(_HELP)
_QUIZ, _REPORT = pathlib.Path("news_quiz"), pathlib.Path("news_quiz_report")


@news_quiz_app.command("make")
def make_command(
    articles: Annotated[
        pathlib.Path,
        typer.Argument(metavar="ARTICLES", help=_HELP["articles"]),
    ],
    model: Annotated[list[str], _option("model")],
    control: Annotated[str | None, _option("control")] = None,
    out: Annotated[pathlib.Path, _option("out")] = _QUIZ,
    shots: Annotated[int, _option("shots")] = 3,
    samples: Annotated[int, _option("samples")] = 5,
    max_new_tokens: Annotated[int, _option("max_new_tokens")] = 400,
    temperature: Annotated[float, _option("temperature")] = 1.0,
    top_p: Annotated[float, _option("top_p")] = 0.9,
    control_temperature: Annotated[float, _option("control_temperature")] = 1.5,
    seed: Annotated[int, _option("seed")] = 0,
    welcome: Annotated[pathlib.Path | None, _option("welcome")] = None,
    check_question: Annotated[str | None, _option("check_question")] = None,
    check_answer: Annotated[str | None, _option("check_answer")] = None,
    dtype: DType = None,
    verbose: Verbose = None,
) -> None:
    """Write a quiz of real articles and of models', as a page for a browser.

    Exits with 0, or with 2 if an argument or a file is wrong.
    """
    with user_errors():
        from keras_gpt3.atomic_write import check_is_free
        from keras_gpt3.evaluation.news_quiz import quiz_making
        from keras_gpt3.evaluation.news_quiz import quiz_page
        from keras_gpt3.evaluation.news_quiz.articles import read_articles
        from keras_gpt3.evaluation.news_quiz.written_articles import (
            WritingSettings,
        )

        # Before the hours that the articles may take.
        check_is_free(out, lambda path: True)
        settings = WritingSettings(
            shots, samples, max_new_tokens, temperature, top_p, seed
        )
        check = quiz_making.make_check(check_question, check_answer)
        shown = quiz_page.WELCOME
        if welcome is not None:
            shown = quiz_making.read_welcome(welcome)
        plans = quiz_making.writing_plans(
            model, control or model[0], settings, control_temperature
        )
        read = read_articles(articles)
        quiz_making.check_count(read, shots)
        made = {
            name: load_model(name, dtype)
            for name in dict.fromkeys(plan.name for plan in plans)
        }
        key = quiz_making.make_quiz(made, plans, read, check, seed, verbose)
        quiz_page.write_quiz(out, key, shown)
    typer.echo(
        f"{len(key.quizzes)} quizzes of {len(key.quizzes[0].items)} articles "
        f"written to {out / quiz_page.PAGE_FILE}, the key apart from them."
    )


@news_quiz_app.command("score")
def score_command(
    answers: Annotated[
        list[pathlib.Path],
        typer.Argument(metavar="ANSWERS...", help=_HELP["answers"]),
    ],
    quiz: Annotated[pathlib.Path, _option("quiz")] = _QUIZ,
    exclude: Annotated[str | None, _option("exclude")] = None,
    out: Annotated[pathlib.Path, _option("report")] = _REPORT,
) -> None:
    """Score participants' answers: the paper's Table 3.11, of your models.

    Prints the table, and writes a report with a plot. Exits with 0, or with 2
    if an argument or a file is wrong.
    """
    with user_errors():
        from keras_gpt3.atomic_write import check_is_free
        from keras_gpt3.evaluation.news_quiz import detection_report
        from keras_gpt3.evaluation.news_quiz import quiz_answers

        check_is_free(out, lambda path: True)
        key = quiz_answers.read_key(quiz)
        participants = quiz_answers.read_participants(answers, key)
        names = [] if exclude is None else exclude.split(",")
        names = [name.strip() for name in names]
        scores = detection_report.quiz_scores(key, participants, names)
        detection_report.write_quiz_report(out, scores)
    typer.echo(detection_report.quiz_summary(scores))
    typer.echo(f"Report written to {out / 'news_quiz.html'}")
