import json
import re

import pytest

from keras_gpt3.evaluation.contamination.contamination_scores import (
    read_outcome_scores,
)
from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome
from keras_gpt3.evaluation.few_shot.outcome_cache import OutcomeCache
from keras_gpt3.evaluation.task_definitions.task_examples import Example

SETS = {"piqa": [Example(f"How, {i}?", (" So",)) for i in range(3)]}


@pytest.fixture
def write(tmp_path):
    """A function from scores to the file of a cache with them."""

    def write(scores, task="piqa", examples=SETS["piqa"]):
        with OutcomeCache(tmp_path, {"task": task}) as cache:
            cache.add(
                Outcome(i, 0, " a", score, example=examples[i].digest)
                for i, score in scores.items()
            )
        (path,) = tmp_path.iterdir()
        return path

    return write


def test_scores_come_in_the_order_of_the_split(write):
    path = write({1: 0.5, 0: 1.0, 2: 0.0})
    assert read_outcome_scores(path, SETS) == ("piqa", [1.0, 0.5, 0.0])


@pytest.mark.parametrize("scores", [{0: 1.0, 2: 1.0}, {}])
def test_an_example_without_an_outcome_raises(write, scores):
    path = write(scores)
    message = (
        "A file of outcomes must have a score for each example. Received: "
        f"file='{path}', with {len(scores)} of 3, without example "
        f"{1 if scores else 0}. Let the evaluation end, without a limit, or "
        "leave the file out."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_outcome_scores(path, SETS)


@pytest.mark.parametrize("num_bytes", [1, 5, 60])
def test_a_killed_run_is_told_to_end(write, num_bytes):
    path = write({0: 1.0, 1: 0.0, 2: 1.0})
    path.write_bytes(path.read_bytes()[:-num_bytes])
    message = (
        "A file of outcomes must have a score for each example. Received: "
        f"file='{path}', with 2 of 3, its last line cut, without example 2. "
        "Let the evaluation end, without a limit, or leave the file out."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_outcome_scores(path, SETS)


def test_an_outcome_without_a_score_raises(write):
    path = write({0: 1.0, 1: None})
    message = (
        f"Outcomes must have scores. Received: file='{path}', line=3 without "
        "one. Leave out the file of a task that has no score."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_outcome_scores(path, SETS)


@pytest.mark.parametrize("other", ["other text", "no digest", "one more"])
def test_outcomes_of_other_examples_raise(write, other):
    examples = list(SETS["piqa"])
    scores = dict.fromkeys(range(3), 1.0)
    if other == "one more":
        scores[3] = 1.0
        examples.append(Example("How, 3?", (" So",)))
    else:
        examples[1] = Example("Why?", (" So",))
    path = write(scores, examples=examples)
    if other == "no digest":
        text = path.read_text().replace(examples[1].digest, "")
        path.write_text(text)
    line, index = (5, 3) if other == "one more" else (3, 1)
    message = (
        "Outcomes must be of the examples that are compared. Received: "
        f"file='{path}', line={line}, of another example than number {index}. "
        "Give the data and the seed that were evaluated, or leave the file out."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_outcome_scores(path, SETS)


def test_another_task_raises(write):
    path = write({0: 1.0}, task="copa")
    message = (
        "Outcomes must be of a task that is compared. Received: "
        f"file='{path}', of copa. Add the task, or leave the file out."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_outcome_scores(path, SETS)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", 1),
        ("{\n", 1),
        ("[]\n", 1),
        ("He asked", 1),
        (json.dumps({"task": "piqa"}) + '\n{"index": 1}\n', 2),
        (json.dumps({"task": "piqa"}) + "\n[1]\n", 2),
        (json.dumps({"task": "piqa"}) + "\n\n", 2),
    ],
)
def test_another_file_raises(tmp_path, content, line):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    before = re.escape(
        "A file of outcomes must be one that an evaluation wrote. Received: "
        f"file='{path}', line={line} ("
    )
    # What Python says of the line stands between.
    after = re.escape("). Name a file of its folder outcomes.")
    with pytest.raises(ValueError, match=f"^{before}.*{after}$"):
        read_outcome_scores(path, SETS)


@pytest.mark.parametrize("name", ["absent.jsonl", "."])
def test_a_missing_file_raises(tmp_path, name):
    path = tmp_path / name
    message = (
        f"A file of outcomes must exist. Received: file='{path}'. Name a file "
        "of the folder outcomes that an evaluation wrote."
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        read_outcome_scores(path, SETS)
