import math

import pytest

from keras_gpt3.evaluation.example import Example
from keras_gpt3.evaluation.outcome import Outcome
from keras_gpt3.evaluation.task_metrics import mean_shots
from keras_gpt3.evaluation.task_metrics import task_metric


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


def test_of_a_group_all_must_be_right():
    examples = choices([0, 1, 1], ["a", "a", "b"])
    found = outcomes([0, 0, 1], examples)
    assert task_metric("exact_match", examples, found)[0] == 0.5
    assert task_metric("accuracy", examples, found)[0] == pytest.approx(2 / 3)
    # Over all answers: 1 right of 1 predicted and 2 true, F1 = 2 / 3.
    assert task_metric("f1_answers", examples, found)[0] == pytest.approx(2 / 3)


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


def test_perplexity_is_of_all_tokens():
    found = [
        Outcome(0, 0, None, 0.0, log_likelihoods=(-2.0,), num_tokens=(1,)),
        Outcome(1, 0, None, 0.0, log_likelihoods=(-4.0,), num_tokens=(3,)),
    ]
    examples = [Example("q", (" a",))] * 2
    value, *_ = task_metric("perplexity", examples, found)
    assert value == pytest.approx(math.exp(6 / 4))


def test_the_mean_of_shots_is_of_those_that_fitted():
    assert mean_shots([Outcome(0, 4, 1, 1.0), Outcome(1, 2, 1, 1.0)]) == 3.0
    assert math.isnan(mean_shots([]))
