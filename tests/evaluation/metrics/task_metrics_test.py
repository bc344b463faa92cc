import dataclasses
import math
import re

import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome
from keras_gpt3.evaluation.metrics import task_metrics
from keras_gpt3.evaluation.metrics.task_metrics import class_counts
from keras_gpt3.evaluation.metrics.task_metrics import exact_groups
from keras_gpt3.evaluation.metrics.task_metrics import f1_over_answers
from keras_gpt3.evaluation.metrics.task_metrics import is_counted
from keras_gpt3.evaluation.metrics.task_metrics import macro_f1
from keras_gpt3.evaluation.metrics.task_metrics import mean_shots
from keras_gpt3.evaluation.metrics.task_metrics import task_metric
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap
from keras_gpt3.evaluation.task_definitions.task_examples import Example

# === Task metrics ===


def choices(labels, groups=None, **fields):
    return [
        Example(
            "q",
            (" yes" if label else " no",),
            choices=(" no", " yes"),
            label=label,
            group=None if groups is None else groups[i],
            **fields,
        )
        for i, label in enumerate(labels)
    ]


def outcomes(predicted, examples):
    return [
        Outcome(i, 2, p, float(p == e.label))
        for i, (p, e) in enumerate(zip(predicted, examples, strict=True))
    ]


def test_accuracy_is_the_share_that_is_right():
    examples = choices([0, 1, 1, 1])
    value, error, interval = task_metric(
        "accuracy", examples, outcomes([0, 1, 1, 0], examples)
    )
    assert value == 0.75
    # The sample deviation of 1, 1, 1, 0 is a half; 4 examples.
    assert error == pytest.approx(0.25)
    assert interval[0] < 0.75 <= interval[1] <= 1


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_a_few_that_agree_leave_doubt(metric):
    examples = choices([1] * 4, choice_names=("Bern", "Rome"))
    right = task_metric(metric, examples, outcomes([1] * 4, examples))
    assert right == (1.0, 0.0, (pytest.approx(0.025**0.25), 1.0))
    wrong = task_metric(metric, examples, outcomes([0] * 4, examples))
    assert wrong == (0.0, 0.0, (0.0, pytest.approx(1 - 0.025**0.25)))
    clustered = in_clusters(examples, "aabb")
    _, error, (low, _) = task_metric(
        metric, clustered, outcomes([1] * 4, clustered)
    )
    assert (error, low) == (0.0, pytest.approx(0.025**0.5))


def test_a_group_is_right_if_all_of_it_is():
    examples = choices([0, 1, 1], ["q1", "q1", "q2"])
    found = outcomes([0, 0, 1], examples)
    # q1 has a wrong answer, q2 is right: 1 of 2 questions, 2 of 3 answers.
    value, error, interval = task_metric("accuracy", examples, found)
    assert value == 0.5
    # The error is that of two questions, 0 and 1.
    assert error == pytest.approx(0.5)
    assert interval == (0.0, 1.0)


def test_f1_of_answers_is_of_all_answers_together():
    examples = choices([0, 1, 1], ["q1", "q1", "q2"])
    found = outcomes([0, 0, 1], examples)
    # 1 right of 1 predicted and 2 true.
    value, _, interval = task_metric("f1_answers", examples, found)
    assert value == pytest.approx(2 / 3)
    # Questions are drawn whole: q1 alone has 0, q2 alone has 1.
    assert interval == (0.0, 1.0)


@pytest.mark.parametrize("metric", ["accuracy", "f1_answers"])
def test_a_single_question_tells_no_error(metric):
    examples = choices([1, 0], ["q1", "q1"])
    _, error, _ = task_metric(metric, examples, outcomes([1, 0], examples))
    assert math.isnan(error)


def in_clusters(examples, clusters):
    return [
        dataclasses.replace(example, cluster=cluster)
        for example, cluster in zip(examples, clusters, strict=True)
    ]


def test_examples_of_a_cluster_are_drawn_together():
    examples = choices([1] * 40)
    found = outcomes([0] * 20 + [1] * 20, examples)
    value, error, interval = task_metric("accuracy", examples, found)
    # In 4 clusters of 10 that agree there are but 4 examples' worth.
    clustered = in_clusters(examples, [str(i // 10) for i in range(40)])
    assert task_metric("accuracy", clustered, found)[0] == value == 0.5
    same, wider, wide = task_metric("accuracy", clustered, found)
    # The deviations of the clusters are 5 each: (4 * 25 * 4 / 3) ** 0.5 / 40.
    assert wider == pytest.approx((400 / 3) ** 0.5 / 40)
    assert error == pytest.approx((40 * 0.25 / 39) ** 0.5 / 40**0.5)
    assert wide == (0.0, 1.0)
    assert 0.3 < interval[0] < interval[1] < 0.7


def test_questions_of_a_passage_are_drawn_together():
    examples = in_clusters(
        choices([1, 1, 1, 1], ["q1", "q1", "q2", "q3"]), ["p1"] * 3 + ["p2"]
    )
    found = outcomes([1, 1, 1, 0], examples)
    value, error, _ = task_metric("accuracy", examples, found)
    assert value == pytest.approx(2 / 3)
    # Deviations: 1/3 + 1/3 of p1, -2/3 of p2.
    assert error == pytest.approx((2 * (4 / 9) * 2) ** 0.5 / 3)


def test_groups_may_be_mixed():
    examples = in_clusters(choices([1, 1, 1], ["a", "b", "a"]), "xyx")
    found = outcomes([1, 0, 1], examples)
    assert task_metric("accuracy", examples, found)[0] == 0.5


@pytest.mark.parametrize(("holds", "value"), [(True, 0.5), (False, 0.5)])
def test_accuracy_of_texts_asks_whether_they_hold(holds, value):
    examples = [Example("q", (" ann",), holds=holds)] * 2
    found = [Outcome(0, 0, " Ann.", None), Outcome(1, 0, " Eva", None)]
    assert task_metric("accuracy", examples, found)[0] == value
    assert task_metric("accuracy", examples[:1], found[:1])[0] == float(holds)


def test_the_bootstrap_runs_once(monkeypatch):
    calls = []

    def counted(*arguments, **settings):
        calls.append(arguments)
        return bootstrap(*arguments, **settings)

    monkeypatch.setattr(task_metrics, "bootstrap", counted)
    examples = choices([0, 1, 1, 1])
    task_metric("macro_f1", examples, outcomes([0, 0, 1, 1], examples))
    assert len(calls) == 1


def test_macro_f1_is_the_mean_over_classes():
    examples = choices([0, 1, 1, 1])
    found = outcomes([0, 0, 1, 1], examples)
    # Class 0: 2 * 1 / (2 + 1). Class 1: 2 * 2 / (2 + 3).
    value, error, interval = task_metric("macro_f1", examples, found)
    assert value == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert 0 < error < 0.5
    assert interval[0] < value < interval[1] + 1e-9


@pytest.mark.parametrize(
    ("metric", "text", "value"),
    [
        ("exact_match", " Paris", 1.0),
        ("exact_match", " paris.", 0.0),
        ("squad_exact_match", " the paris.", 1.0),
        ("f1", " Paris Texas", 2 / 3),
        ("bleu", " Paris", 100.0),
    ],
)
def test_texts_are_compared_as_the_metric_says(metric, text, value):
    examples = [Example("q", (" Paris", " Lutetia"))]
    found = [Outcome(0, 0, text, None)]
    if metric == "bleu":
        examples = [Example("q", (" it is as it was before",))]
        found = [Outcome(0, 0, " it is as it was before", None)]
    assert task_metric(metric, examples, found)[0] == pytest.approx(value)


def test_choices_are_compared_by_their_names():
    examples = choices([1], choice_names=("Bern", "the City of Rome"))
    (outcome,) = outcomes([1], examples)
    assert task_metric("f1", examples, [outcome])[0] == 1.0
    wrong = Outcome(0, 0, 0, 0.0)
    assert task_metric("f1", examples, [wrong])[0] == 0.0


def test_questions_on_which_people_differ_do_not_count_in_quac():
    people = [("x", "x"), ("x", "y"), ("y",), ("x", "z")]
    examples = [
        Example("q", (" x",), references=given, cluster=str(i // 2))
        for i, given in enumerate(people)
    ]
    found = [Outcome(i, 0, " x", None) for i in range(4)]
    counted = [is_counted("quac_f1", example) for example in examples]
    assert counted == [True, False, True, False]
    kept = task_metric("quac_f1", examples[::2], found[::2])
    assert task_metric("quac_f1", examples, found) == kept
    assert kept[0] == 0.5
    assert task_metric("coqa_f1", examples, found)[0] == 0.5
    value, error, interval = task_metric("quac_f1", examples[1:2], found[1:2])
    assert np.isnan([value, error, *interval]).all()


def test_perplexity_is_per_last_word():
    found = [
        Outcome(0, 0, None, 0.0, log_likelihoods=(-2.0,), num_tokens=(1,)),
        Outcome(1, 0, None, 0.0, log_likelihoods=(-4.0,), num_tokens=(3,)),
    ]
    examples = [Example("q", (" a",))] * 2
    value, *_ = task_metric("perplexity", examples, found)
    assert value == pytest.approx(math.exp(6 / 2))


def test_the_mean_of_shots_is_of_those_that_fitted():
    assert mean_shots([Outcome(0, 4, 1, 1.0), Outcome(1, 2, 1, 1.0)]) == 3.0
    assert math.isnan(mean_shots([]))


# === Answer groups ===


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
