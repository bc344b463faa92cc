import re

import numpy as np
import pytest

from keras_gpt3.evaluation.metrics.task_metrics import class_counts
from keras_gpt3.evaluation.metrics.task_metrics import exact_groups
from keras_gpt3.evaluation.metrics.task_metrics import f1_over_answers
from keras_gpt3.evaluation.metrics.task_metrics import macro_f1
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap

# Two questions of three answers, one of one.
PREDICTED = [1, 0, 1, 1, 1, 0, 0]
CORRECT = [1, 0, 0, 1, 1, 0, 1]
GROUPS = ["1", "1", "1", "2", "2", "2", "3"]


def naive_f1(predicted, correct, wanted):
    pairs = list(zip(predicted, correct, strict=True))
    hits = sum(p == wanted and c == wanted for p, c in pairs)
    if not hits:
        return 0.0
    precision = hits / sum(p == wanted for p, _ in pairs)
    recall = hits / sum(c == wanted for _, c in pairs)
    return 2 * precision * recall / (precision + recall)


def test_f1_over_all_answers_is_that_worked_out_by_hand():
    sums = class_counts(PREDICTED, CORRECT).sum(axis=0)
    # Of 4 predicted 3 are right, of 4 right ones 3 are found.
    assert sums[1].tolist() == [3, 4, 4]
    assert f1_over_answers(sums) == 0.75


def test_a_question_is_exact_if_all_its_answers_are_right():
    exact = exact_groups(PREDICTED, CORRECT, GROUPS)
    assert exact.tolist() == [0.0, 1.0, 0.0]


def test_macro_f1_is_that_worked_out_by_hand():
    counts = class_counts([0, 1, 1, 2], [0, 0, 1, 2], num_classes=3)
    # P and R of the classes: 1 and 1/2, 1/2 and 1, 1 and 1.
    expected = (2 / 3 + 2 / 3 + 1) / 3
    assert macro_f1(counts.sum(axis=0)) == pytest.approx(expected)


def test_classes_that_do_not_occur_do_not_count():
    counts = class_counts([0, 1], [0, 1], num_classes=5).sum(axis=0)
    assert macro_f1(counts) == 1.0
    # Predicted but never right: it counts, as nothing.
    counts = class_counts([0, 2], [0, 0], num_classes=5).sum(axis=0)
    assert macro_f1(counts) == pytest.approx((2 / 3 + 0) / 2)


def test_nothing_predicted_and_nothing_right_is_zero():
    sums = class_counts([0, 0], [0, 0]).sum(axis=0)
    assert f1_over_answers(sums) == 0.0
    assert macro_f1(np.zeros((3, 3))) == 0.0


def test_counts_equal_counting_one_by_one():
    generator = np.random.default_rng(0)
    for _ in range(20):
        predicted, correct = generator.integers(3, size=(2, 12)).tolist()
        sums = class_counts(predicted, correct, num_classes=3).sum(axis=0)
        f1 = [naive_f1(predicted, correct, c) for c in range(3)]
        seen = [c for c in range(3) if c in predicted + correct]
        assert f1_over_answers(sums) == pytest.approx(f1[1])
        assert macro_f1(sums) == pytest.approx(
            sum(f1[c] for c in seen) / len(seen)
        )


def test_answers_of_a_question_are_resampled_together():
    rows = class_counts(PREDICTED, CORRECT)
    assert rows.shape == (7, 2, 3)
    values = bootstrap(rows, f1_over_answers, 50, seed=1, clusters=GROUPS)
    drawn = np.random.default_rng(1).integers(3, size=(50, 3))
    for value, questions in zip(values, drawn, strict=True):
        chosen = [
            n
            for q in questions
            for n, g in enumerate(GROUPS)
            if g == str(q + 1)
        ]
        predicted = [PREDICTED[n] for n in chosen]
        correct = [CORRECT[n] for n in chosen]
        assert value == pytest.approx(naive_f1(predicted, correct, 1))


def test_groups_need_not_stand_together():
    order = [6, 0, 3, 1, 4, 2, 5]
    mixed = [[x[n] for n in order] for x in (PREDICTED, CORRECT, GROUPS)]
    # Groups 3, 1, 2.
    assert exact_groups(*mixed).tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: class_counts([1], [1, 0]),
            "predicted, correct and groups must be of one length. Received: "
            "lengths=[1, 2]. Give one entry an example.",
        ),
        (
            lambda: exact_groups([1, 0], [1, 0], ["a"]),
            "predicted, correct and groups must be of one length. Received: "
            "lengths=[1, 2]. Give one entry an example.",
        ),
        (
            lambda: class_counts([1, 2], [1, 0]),
            "Classes must be from 0 to 1. Received: [0, 1, 2]. Correct "
            "num_classes=2.",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
