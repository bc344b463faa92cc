"""Reads the texts of an evaluation set, and what a model got for them."""

import math
import numbers
import os

from keras_gpt3.data.json_objects import read_json_objects


def read_scored_texts(path):
    """Reads a file of one example a line; empty lines are left out."""
    texts, scores = [], []
    for where, value in read_json_objects(os.fspath(path), "texts"):
        _check(value, where)
        texts.append(value["text"])
        scores.append((where, value.get("score")))
    if not texts:
        raise ValueError(
            "A file of texts must hold an example. Received: "
            f"file='{path}' with none. Write one object a line."
        )
    return texts, _complete(scores)


def _complete(scores):
    """The scores as floats; `None` where no line has one."""
    missing = [where for where, score in scores if score is None]
    if len(missing) == len(scores):
        return None
    if missing:
        raise ValueError(
            "Each line or none of a file of texts must have a score. Received: "
            f"{missing[0]} without one, as {len(missing)} of {len(scores)}. "
            "Add what is missing."
        )
    return [float(score) for _, score in scores]


def _check(value, where):
    reason = _fault(value)
    if reason:
        raise ValueError(
            'Each line must be a JSON object with a string "text" and perhaps '
            f'a finite number "score". Received: {where} ({reason}). Correct '
            "or remove it."
        )


def _fault(value):
    """What is wrong with the content of a line, or `None`."""
    text, score = value.get("text"), value.get("score")
    if "text" not in value:
        return "it has no text"
    if not isinstance(text, str):
        return f"its text is of type {type(text).__name__}"
    if score is None:
        return None
    if not isinstance(score, numbers.Real):
        return f"its score is of type {type(score).__name__}"
    return None if math.isfinite(score) else f"its score is {score}"
