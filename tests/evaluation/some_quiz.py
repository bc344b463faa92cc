"""A quiz of six articles by two models, and what participants answer."""

from keras_gpt3.evaluation.news_quiz.articles import Article
from keras_gpt3.evaluation.news_quiz.quiz_answers import Answer
from keras_gpt3.evaluation.news_quiz.quiz_answers import Participant
from keras_gpt3.evaluation.news_quiz.quiz_key import Check
from keras_gpt3.evaluation.news_quiz.quiz_key import Experiment
from keras_gpt3.evaluation.news_quiz.quiz_key import make_key
from keras_gpt3.evaluation.news_quiz.quiz_page import CHOICES

ARTICLES = [
    Article(f"Title {n}", f"Subtitle {n}", f"A person wrote this {n}.\nTrue.")
    for n in range(6)
]
EXPERIMENTS = [
    Experiment("bad", True, 160_000_000, {}),
    Experiment("runs/good", False, 125_000_000, {}),
]
TEXTS = [
    [f"{name} model wrote this {n}." for n in range(6)]
    for name in ("Bad", "Good")
]
CHECK = Check("What is 2 and 3?", "five")
HUMAN, NEUTRAL, MACHINE = CHOICES[0], CHOICES[2], CHOICES[4]


def some_key(**options):
    return make_key(
        ARTICLES, EXPERIMENTS, TEXTS, **({"check": CHECK} | options)
    )


def participant(key, experiment, num_right, num_neutral=0, name="a", **fields):
    """Answers to a quiz of an experiment: first right, then neutral, wrong."""
    quiz = next(q for q in key.quizzes if q.experiment == experiment)
    items = {item.id: item for item in key.items}
    answers = []
    for place, number in enumerate(quiz.items):
        is_human = items[number].experiment is None
        choice = HUMAN if is_human == (place < num_right) else MACHINE
        if num_right <= place < num_right + num_neutral:
            choice = NEUTRAL
        answers.append(Answer(number, choice, False, 30.0))
    values = {
        "study": key.study,
        "quiz": quiz.id,
        "participant": name,
        "answers": tuple(answers),
        "looked_up": False,
        "check": " FIVE",
        "comment": "",
    }
    return Participant(**values | fields)
