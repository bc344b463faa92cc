"""From the outcomes of a task's examples to its metrics."""

import math

import numpy as np

from keras_gpt3.evaluation.answer_groups import class_counts
from keras_gpt3.evaluation.answer_groups import exact_groups
from keras_gpt3.evaluation.answer_groups import f1_over_answers
from keras_gpt3.evaluation.answer_groups import macro_f1
from keras_gpt3.evaluation.bleu import bleu_counts
from keras_gpt3.evaluation.bleu import bleu_of_counts
from keras_gpt3.evaluation.exact_match import plain_exact_match
from keras_gpt3.evaluation.exact_match import squad_exact_match
from keras_gpt3.evaluation.squad_f1 import squad_f1
from keras_gpt3.evaluation.uncertainty import bootstrap
from keras_gpt3.evaluation.uncertainty import bootstrap_interval
from keras_gpt3.evaluation.uncertainty import standard_error

_OF_TEXTS = {
    "exact_match": plain_exact_match,
    "squad_exact_match": squad_exact_match,
    "f1": squad_f1,
}


def task_metric(metric, examples, outcomes):
    """Computes a metric, its standard error and its interval.

    Args:
        metric: string. One of `keras_gpt3.evaluation.task.METRICS`.
        examples: list of `Example`.
        outcomes: list of `Outcome`, one an example.

    Returns:
        A triple: the value, a float; its standard error; and the bootstrap's
        95% interval, a pair.

    Example:

    ```python
    from keras_gpt3.evaluation.example import Example
    from keras_gpt3.evaluation.outcome import Outcome
    from keras_gpt3.evaluation.task_metrics import task_metric

    examples = [Example("1+1=", ("2",)), Example("2+2=", ("4",))]
    outcomes = [
        Outcome(0, 0, predicted="2", correct=1.0),
        Outcome(1, 0, predicted="5", correct=0.0),
    ]
    task_metric("exact_match", examples, outcomes)  # (0.5, 0.5, (0.0, 1.0))
    ```
    """
    rows, statistic = _counts(metric, examples, outcomes)
    interval = bootstrap_interval(rows, statistic)
    if statistic is None:
        return float(np.mean(rows)), standard_error(rows), interval
    value = float(statistic(np.sum(rows, axis=0)[None])[0])
    # No mean over examples has a formula of its own.
    error = float(bootstrap(rows, statistic).std(ddof=1))
    return value, error, interval


def _counts(metric, examples, outcomes):
    """Rows that add up, and what makes the metric of their sums."""
    groups = [example.group for example in examples]
    if metric == "exact_match" and None not in groups:
        return exact_groups(*_classes(examples, outcomes), groups), None
    if metric in _OF_TEXTS:
        pairs = map(_texts, examples, outcomes)
        return [_OF_TEXTS[metric](*pair) for pair in pairs], None
    if metric == "bleu":
        texts = [outcome.predicted.strip() for outcome in outcomes]
        answers = [[a.strip() for a in e.answers] for e in examples]
        return bleu_counts(texts, answers), bleu_of_counts
    if metric == "perplexity":
        sums = [(o.log_likelihoods[0], o.num_tokens[0]) for o in outcomes]
        return np.array(sums), _perplexity
    if metric in ("f1_answers", "macro_f1"):
        return _class_counts(metric, examples, outcomes)
    return [outcome.correct for outcome in outcomes], None


def _texts(example, outcome):
    """The text of an answer, and those that are accepted."""
    if not example.choices:
        return outcome.predicted, example.answers
    names = example.choice_names or example.choices
    accepted = [
        name
        for name, choice in zip(names, example.choices, strict=True)
        if choice in example.answers
    ]
    return names[outcome.predicted], accepted


def _class_counts(metric, examples, outcomes):
    predicted, correct = _classes(examples, outcomes)
    groups = [example.group for example in examples]
    rows = class_counts(
        predicted,
        correct,
        max(len(example.choices) for example in examples),
        None if None in groups else groups,
    )
    return rows, macro_f1 if metric == "macro_f1" else f1_over_answers


def _classes(examples, outcomes):
    predicted = [outcome.predicted for outcome in outcomes]
    return predicted, [example.label for example in examples]


def _perplexity(sums):
    """Of sums `(resamples, 2)` of log-likelihoods and of tokens."""
    return np.exp(-sums[:, 0] / np.maximum(sums[:, 1], 1))


def mean_shots(outcomes):
    """The demonstrations that fitted into a prompt, in the mean.

    Args:
        outcomes: list of `Outcome`.

    Returns:
        A float; NaN where there are none.

    Example:

    ```python
    from keras_gpt3.evaluation.outcome import Outcome
    from keras_gpt3.evaluation.task_metrics import mean_shots

    mean_shots([Outcome(0, 4, 1, 1.0), Outcome(1, 2, 1, 1.0)])  # 3.0
    ```
    """
    if not outcomes:
        return math.nan
    return sum(outcome.shots for outcome in outcomes) / len(outcomes)
