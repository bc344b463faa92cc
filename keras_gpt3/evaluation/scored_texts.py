"""Reads the texts of an evaluation set, and what a model got for them."""

import numbers
import os

from keras_gpt3.data.gzip_stream import decompressed
from keras_gpt3.data.json_line import parse_json_line


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
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            "A file of texts must exist. Received: "
            f"file='{path}'. Correct the path."
        )
    texts, scores = [], []
    with open(path, "rb") as file, decompressed(file, path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                text, score = _example(line, f"file='{path}', line={number}")
                texts.append(text)
                scores += [] if score is None else [float(score)]
    if not texts or len(scores) not in (0, len(texts)):
        raise ValueError(
            "A file of texts must hold an example, and a score for each or for "
            f"none. Received: file='{path}' with {len(texts)} texts and "
            f"{len(scores)} scores. Add what is missing."
        )
    return texts, scores or None


def _example(line, where):
    try:
        value = parse_json_line(line)
        reason = _fault(value)
    # Invalid JSON or UTF-8.
    except ValueError as error:
        reason = str(error)
    if reason:
        raise ValueError(
            'Each line must be a JSON object with a string "text" and perhaps '
            f'a number "score". Received: {where} ({reason}). Correct or '
            "remove it."
        )
    return value["text"], value.get("score")


def _fault(value):
    """What is wrong with the content of a line, or `None`."""
    if not isinstance(value, dict):
        return f"it is of type {type(value).__name__}"
    text, score = value.get("text"), value.get("score", 0)
    if not isinstance(text, str):
        return f"its text is of type {type(text).__name__}"
    if not isinstance(score, numbers.Real):
        return f"its score is of type {type(score).__name__}"
    return None
