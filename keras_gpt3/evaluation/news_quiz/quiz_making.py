"""Makes a quiz: what is checked before the models write, and the writing."""

import dataclasses
import pathlib

from keras_gpt3.argument_checks import check_number
from keras_gpt3.argument_checks import echoed
from keras_gpt3.evaluation.news_quiz.quiz_key import Check
from keras_gpt3.evaluation.news_quiz.quiz_key import Experiment
from keras_gpt3.evaluation.news_quiz.quiz_key import make_key
from keras_gpt3.evaluation.news_quiz.written_articles import WritingSettings
from keras_gpt3.evaluation.news_quiz.written_articles import article_prompts
from keras_gpt3.evaluation.news_quiz.written_articles import check_prompts_fit
from keras_gpt3.evaluation.news_quiz.written_articles import control_settings
from keras_gpt3.evaluation.news_quiz.written_articles import write_articles
from keras_gpt3.reporting.progress import ProgressBar


@dataclasses.dataclass(frozen=True)
class WritingPlan:
    """Which model writes the articles of an experiment, and how."""

    name: str
    is_control: bool
    settings: WritingSettings


def writing_plans(models, control, settings, control_temperature):
    """Plan the control's articles and those of each model."""
    if len(set(models)) < len(models):
        raise ValueError(
            f"Each model must be named once. Received: {', '.join(models)}. "
            "Leave out what is there twice."
        )
    check_number(
        "control_temperature", control_temperature, "Use 1.5.", "above 0"
    )
    bad = control_settings(settings, control_temperature)
    return [
        WritingPlan(control, True, bad),
        *(WritingPlan(name, False, settings) for name in models),
    ]


def make_check(question, answer):
    """Make the question of attention; without both there is none."""
    if (question is None) != (answer is None):
        raise ValueError(
            "A check question must have its right answer, and an answer a "
            f"question. Received: check_question={echoed(question)}, "
            f"check_answer={echoed(answer)}. Pass both or neither."
        )
    return None if question is None else Check(question, answer)


def read_welcome(path):
    """Read the paragraphs that participants are shown first."""
    try:
        text = pathlib.Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"A welcome must be a text file in UTF-8. Received: file='{path}' "
            f"({getattr(error, 'strerror', None) or error}). Correct the path, "
            "or convert the file."
        ) from error
    blocks = [" ".join(block.split()) for block in text.split("\n\n")]
    paragraphs = tuple(filter(None, blocks))
    if not paragraphs:
        raise ValueError(
            "A welcome must have text to show. Received: "
            f"file='{path}', which holds none. Write some, or leave it out."
        )
    return paragraphs


def check_count(articles, shots):
    """Raise unless articles are enough for prompts and a quiz."""
    if len(articles) < shots + 2:
        raise ValueError(
            "There must be an article for each shot, and two or more to ask "
            f"about. Received: {len(articles)} articles, shots={shots}. Add "
            "articles, or take fewer shots."
        )


def make_quiz(models, plans, articles, check=None, seed=0, verbose="auto"):
    """Let each plan's model write to the articles' titles; make the key.

    `models` has the model of each name. The first articles stand in the
    prompts, so the same for all models, and the others are asked about.
    """
    shots = max(plan.settings.shots for plan in plans)
    check_count(articles, shots)
    asked, work = articles[shots:], []
    for plan in plans:
        shown = articles[: plan.settings.shots]
        prompts = article_prompts(shown, asked)
        # All of them before the first is continued, which may take hours.
        check_prompts_fit(models[plan.name], prompts, plan.settings, plan.name)
        work.append((plan, prompts))
    texts = []
    total = len(plans) * len(asked)
    with ProgressBar("articles", total, verbose=verbose) as bar:
        for plan, prompts in work:
            model = models[plan.name]
            written = write_articles(
                model, prompts, asked, plan.settings, plan.name, bar
            )
            texts.append(written)
    experiments = [_experiment(plan, models[plan.name]) for plan in plans]
    return make_key(asked, experiments, texts, check, seed)


def _experiment(plan, model):
    return Experiment(
        plan.name,
        plan.is_control,
        model.backbone.count_params(),
        dataclasses.asdict(plan.settings),
    )
