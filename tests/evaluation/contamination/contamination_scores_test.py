import json
import re

import numpy as np
import pytest

from keras_gpt3.evaluation.contamination.contamination import Contamination
from keras_gpt3.evaluation.contamination.contamination_scores import PartScore
from keras_gpt3.evaluation.contamination.contamination_scores import (
    contamination_scores,
)
from keras_gpt3.evaluation.contamination.contamination_scores import part_score
from keras_gpt3.evaluation.contamination.contamination_scores import (
    read_outcome_scores,
)
from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome
from keras_gpt3.evaluation.few_shot.outcome_cache import OutcomeCache
from keras_gpt3.evaluation.task_definitions.task_examples import Example

# === Contamination scores ===


def found(is_dirty):
    return Contamination(8, tuple(is_dirty), (False,) * len(is_dirty))


def test_parts_and_change_are_as_by_hand():
    scores = contamination_scores(
        found([True, False, False, True, False]), [1.0, 1.0, 0.0, 1.0, 0.5]
    )
    assert scores.everything.value == pytest.approx(3.5 / 5)
    assert scores.clean.value == pytest.approx(1.5 / 3)
    assert scores.dirty.value == 1.0
    parts = (scores.everything, scores.clean, scores.dirty)
    assert [part.num_examples for part in parts] == [5, 3, 2]
    # 0.5 / 0.7 - 1.
    assert scores.change == pytest.approx(-28.571, abs=1e-3)
    low, high = scores.change_interval
    assert low < scores.change < high


def test_the_interval_of_the_change_is_that_of_slow_resamples():
    generator = np.random.default_rng(0)
    values = generator.random(60)
    is_clean = generator.random(60) < 0.7
    expected = []
    for _ in range(4000):
        drawn = generator.integers(60, size=60)
        clean = values[drawn][is_clean[drawn]]
        expected.append(100 * (clean.mean() / values[drawn].mean() - 1))
    scores = contamination_scores(found(~is_clean), values)
    # Quantiles of 1000 resamples swing by a tenth of their width.
    assert scores.change_interval == pytest.approx(
        np.quantile(expected, [0.025, 0.975]), abs=1.0
    )


@pytest.mark.parametrize(
    ("is_dirty", "values"),
    [([True, True], [1.0, 0.0]), ([True, False], [0.0, 0.0])],
)
def test_there_is_no_change_without_clean_examples_or_score(is_dirty, values):
    scores = contamination_scores(found(is_dirty), values)
    assert scores.change is scores.change_interval is None


def test_resamples_without_a_clean_example_are_left_out():
    scores = contamination_scores(found([True, False]), [1.0, 1.0])
    assert scores.change == 0
    assert scores.change_interval == (0, 0)


def test_an_all_clean_set_has_no_dirty_score():
    scores = contamination_scores(found([False, False]), [1.0, 0.5])
    assert scores.dirty.value is None
    assert scores.change == 0


def test_what_is_too_short_is_in_no_score():
    short = Contamination(8, (True, False, False), (False, False, True))
    scores = contamination_scores(short, [0.5, 1.0, 0.0])
    assert scores.everything.value == 0.75
    assert scores.everything.num_examples == 2
    assert (scores.dirty.value, scores.clean.value) == (0.5, 1.0)
    assert scores.change == pytest.approx(100 / 3)


def test_where_none_can_be_compared_there_is_no_score():
    scores = contamination_scores(
        Contamination(8, (False, False), (True, True)), [1.0, 0.0]
    )
    assert scores.everything.value is scores.clean.value is None
    assert scores.dirty.value is scores.change is None


def test_scores_of_another_set_raise():
    message = (
        "There must be one score for each example. Received: scores of shape "
        "(3,), for 2 examples. Pass the scores of the same evaluation set."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        contamination_scores(found([True, False]), [1.0, 1.0, 1.0])


# === Outcome scores ===


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


# === Part score ===


def test_the_mean_comes_with_its_interval():
    score = part_score([1.0, 0.0] * 50)
    assert (score.num_examples, score.value) == (100, 0.5)
    # 1.96 standard errors of 0.05 on either side.
    assert score.interval == pytest.approx((0.4, 0.6), abs=0.02)


def test_no_example_has_no_score():
    assert part_score([]) == PartScore(0, None, None)
