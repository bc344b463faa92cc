"""Reads what a model got for each example out of the results cache."""

import pathlib

from keras_gpt3.data.json_line import parse_json_line
from keras_gpt3.echoed_value import echoed


def read_outcome_scores(path, sets):
    """Reads a file that `OutcomeCache` wrote."""
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(
            f"A file of outcomes must exist. Received: file='{path}'. Name a "
            "file of the folder outcomes that an evaluation wrote."
        )
    first, *lines = pathlib.Path(path).read_bytes().split(b"\n")
    # What ends with a line break has nothing behind it.
    cut = lines.pop() if lines else b""
    task = _task(first, path)
    if task not in sets:
        raise ValueError(
            "Outcomes must be of a task that is compared. Received: "
            f"file='{path}', of {task}. Add the task, or leave the file out."
        )
    digests = [example.digest for example in sets[task]]
    scores = dict(
        _scored(line, f"file='{path}', line={number}", digests)
        for number, line in enumerate(lines, start=2)
    )
    if len(scores) < len(digests):
        missing = next(i for i in range(len(digests)) if i not in scores)
        raise ValueError(
            "A file of outcomes must have a score for each example. Received: "
            f"file='{path}', with {len(scores):,} of {len(digests):,}"
            f"{', its last line cut' if cut else ''}, without example "
            f"{missing}. Let the evaluation end, without a limit, or leave the "
            "file out."
        )
    return task, [scores[i] for i in range(len(digests))]


def _task(line, path):
    """The task that the first line says the file is of."""
    try:
        return str(parse_json_line(line)["task"])
    # ValueError: no JSON or no UTF-8; the others: another content.
    except (ValueError, TypeError, KeyError) as error:
        raise _no_outcomes(f"file='{path}', line=1", error) from error


def _scored(line, where, digests):
    """The number of an example, and its score."""
    try:
        outcome = parse_json_line(line)
        index, digest = int(outcome["index"]), outcome.get("example")
        score = outcome["correct"]
        score = None if score is None else float(score)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _no_outcomes(where, error) from error
    if score is None:
        raise ValueError(
            f"Outcomes must have scores. Received: {where} without one. Leave "
            "out the file of a task that has no score."
        )
    if digests[index : index + 1] != [digest]:
        raise ValueError(
            "Outcomes must be of the examples that are compared. Received: "
            f"{where}, of another example than number {index}. Give the data "
            "and the seed that were evaluated, or leave the file out."
        )
    return index, score


def _no_outcomes(where, error):
    return ValueError(
        "A file of outcomes must be one that an evaluation wrote. Received: "
        f"{where} ({echoed(error)}). Name a file of its folder outcomes."
    )
