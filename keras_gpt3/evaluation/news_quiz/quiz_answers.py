"""Reads the key of a quiz, and what participants answered.

It loads pydantic, and is imported where there are files to read.
"""

import pathlib

from keras_gpt3.argument_checks import echoed
from keras_gpt3.evaluation.news_quiz.quiz_key import KEY_FILE
from keras_gpt3.evaluation.news_quiz.quiz_key import QuizKey
from keras_gpt3.evaluation.news_quiz.quiz_page import CHOICES
from keras_gpt3.needed_packages import needed_packages

with needed_packages("Answers must be checked by pydantic", "evaluate"):
    import pydantic
    import pydantic.dataclasses

_strict = pydantic.dataclasses.dataclass(
    config=pydantic.ConfigDict(extra="forbid", strict=True), frozen=True
)


@_strict
class Answer:
    """What a participant said of one article."""

    item: int
    choice: str
    seen: bool
    seconds: float


@_strict
class Participant:
    """A file of answers, as the page saves it."""

    study: str
    quiz: int
    participant: str
    answers: tuple[Answer, ...]
    looked_up: bool
    check: str | None
    comment: str


_KEY = pydantic.TypeAdapter(QuizKey)
_PARTICIPANT = pydantic.TypeAdapter(Participant)


def read_key(folder):
    """Read the key of a quiz from its folder."""
    path = pathlib.Path(folder) / KEY_FILE
    return _read(
        path,
        _KEY,
        "A quiz must be a folder that news-quiz make wrote",
        "Pass such a folder.",
    )


def read_participants(paths, key):
    """Read files of answers, or all `.json` files of folders."""
    participants, places = [], {}
    for path in _files(paths):
        found = _read(
            path,
            _PARTICIPANT,
            "A file of answers must be what the page of a quiz saved",
            "Leave it out.",
        )
        _check(found, key, path)
        if found.participant in places:
            raise ValueError(
                "Each participant must be counted once. Received: "
                f"'{places[found.participant]}' and '{path}', both of "
                f"{found.participant}. Leave one out."
            )
        places[found.participant] = path
        participants.append(found)
    return participants


def _files(paths):
    files = []
    for path in map(pathlib.Path, paths):
        files += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise ValueError(
            "There must be answers to score. Received: no .json file in "
            f"{', '.join(map(str, paths))}. Pass the files that the page saved."
        )
    return files


def _read(path, adapter, invariant, remedy):
    try:
        return adapter.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{invariant}. Received: '{path}', which does not exist. {remedy}"
        ) from error
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise ValueError(
            f"{invariant}. Received: file='{path}', {where}="
            f"{echoed(first['input'])} ({first['msg']}). {remedy}"
        ) from error


def _check(found, key, path):
    """Raise unless answers are those to one of the quizzes, all of it."""
    if found.study != key.study:
        raise ValueError(
            "Answers must be to the quiz that they are scored by. Received: "
            f"file='{path}' of study {echoed(found.study)}, not "
            f"{echoed(key.study)}. Pass the folder of its quiz."
        )
    shown = [quiz.items for quiz in key.quizzes if quiz.id == found.quiz]
    items = tuple(sorted(answer.item for answer in found.answers))
    choices = {answer.choice for answer in found.answers}
    if (
        [items] != shown
        or not choices <= {*CHOICES}
        or (key.check is None) != (found.check is None)
    ):
        raise ValueError(
            "A file of answers must answer each article of its quiz once, by "
            f"one of the five choices. Received: file='{path}', quiz="
            f"{found.quiz} with {len(items)} answers. Leave it out, or restore "
            "the file that the page saved."
        )
