"""Reads the texts of an evaluation set, and what a model got for them."""

import numbers
import os

from keras_gpt3.data.json_objects import read_json_objects


def read_scored_texts(path):
    """Reads a file of one example a line; empty lines are left out.

    Args:
        path: path. A `.jsonl` or `.jsonl.gz` file of objects with a `"text"`
            and perhaps, on each line, a number `"score"`.

    Returns:
        A pair of a list of strings and a list of floats, the latter `None`
        where there are no scores.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is no such object, only some have a score, or
            the file holds no example.

    Example:

    ```python
    import pathlib

    from keras_gpt3.evaluation.scored_texts import read_scored_texts

    line = '{"text": "Is water wet? Yes", "score": 1}'
    pathlib.Path("water.jsonl").write_text(line)
    read_scored_texts("water.jsonl")  # ["Is water wet? Yes"], [1.0]
    ```
    """
    texts, scores = [], []
    for where, value in read_json_objects(os.fspath(path), "texts"):
        _check(value, where)
        texts.append(value["text"])
        if value.get("score") is not None:
            scores.append(float(value["score"]))
    if not texts or len(scores) not in (0, len(texts)):
        raise ValueError(
            "A file of texts must hold an example, and a score for each or for "
            f"none. Received: file='{path}' with {len(texts)} texts and "
            f"{len(scores)} scores. Add what is missing."
        )
    return texts, scores or None


def _check(value, where):
    reason = _fault(value)
    if reason:
        raise ValueError(
            'Each line must be a JSON object with a string "text" and perhaps '
            f'a number "score". Received: {where} ({reason}). Correct or '
            "remove it."
        )


def _fault(value):
    """What is wrong with the content of a line, or `None`."""
    text, score = value.get("text"), value.get("score", 0)
    if not isinstance(text, str):
        return f"its text is of type {type(text).__name__}"
    if not isinstance(score, numbers.Real):
        return f"its score is of type {type(score).__name__}"
    return None
