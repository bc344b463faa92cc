"""From the outcomes of a task's examples to its metrics."""

import dataclasses
import math

import numpy as np

from keras_gpt3.evaluation.metrics.bleu import bleu_counts
from keras_gpt3.evaluation.metrics.bleu import bleu_of_counts
from keras_gpt3.evaluation.metrics.bleu import moses_tokens
from keras_gpt3.evaluation.metrics.bleu import multi_bleu_of_counts
from keras_gpt3.evaluation.metrics.text_score import TEXT_METRICS
from keras_gpt3.evaluation.metrics.text_score import people_agree
from keras_gpt3.evaluation.metrics.text_score import text_score
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap
from keras_gpt3.evaluation.metrics.uncertainty import cluster_sums
from keras_gpt3.evaluation.metrics.uncertainty import mean_interval
from keras_gpt3.evaluation.metrics.uncertainty import percentiles
from keras_gpt3.evaluation.metrics.uncertainty import standard_error


def task_metric(metric, examples, outcomes):
    """Compute a metric, its standard error and its interval.

    Accuracy counts groups where examples have them: a question of MultiRC is
    right if all answers to it are labelled right. Perplexity is per answer,
    not per token: LAMBADA's is that of a last word, as in the paper and in
    lm-evaluation-harness. Word perplexity is of a text: the likelihood of its
    tokens, of whatever kind, by the number of its words. The error and the
    interval are those of clusters, such as the questions on a passage, which
    are drawn together. The interval is the bootstrap's, or that of
    `mean_interval` where all examples are right, or all wrong. All are NaN
    where no example counts (`is_counted`).
    """
    counted = [i for i, e in enumerate(examples) if is_counted(metric, e)]
    if examples and not counted:
        return math.nan, math.nan, (math.nan, math.nan)
    examples, outcomes = ([x[i] for i in counted] for x in (examples, outcomes))
    rows, statistic = _counts(metric, examples, outcomes)
    clusters = _clusters(_judged(metric, examples))
    if statistic is None:
        interval = mean_interval(rows, clusters)
        return float(np.mean(rows)), standard_error(rows, clusters), interval
    resampled = bootstrap(rows, statistic, clusters=clusters)
    interval = percentiles(resampled)
    value = float(statistic(np.sum(rows, axis=0)[None])[0])
    if len(set(range(len(rows)) if clusters is None else clusters)) == 1:
        return value, math.nan, interval  # One has no spread.
    # No mean over examples has a formula of its own.
    return value, float(resampled.std(ddof=1)), interval


def is_counted(metric, example):
    """Whether a metric counts an example.

    QuAC's does not count those on which people agree too little.
    """
    return metric != "quac_f1" or people_agree(example.references)


def _judged(metric, examples):
    """The examples, or the first of each group where groups are judged."""
    if metric != "accuracy" or None in [e.group for e in examples]:
        return examples
    firsts = {}
    for example in examples:
        firsts.setdefault(example.group, example)
    return list(firsts.values())


def _clusters(examples):
    """What each example shares with others, or `None` if none does."""
    clusters = [
        example.cluster or example.group or number
        for number, example in enumerate(examples)
    ]
    return None if len(set(clusters)) == len(clusters) else clusters


def _counts(metric, examples, outcomes):
    """Rows that add up, and what makes the metric of their sums."""
    if metric == "accuracy":
        return _right(examples, outcomes), None
    if metric in TEXT_METRICS:
        pairs = zip(examples, outcomes, strict=True)
        return [_text_score(metric, *pair) for pair in pairs], None
    if metric in ("bleu", "multi_bleu"):
        return _bleu_counts(metric, examples, outcomes)
    if metric == "perplexity":
        # Per answer, not per token.
        sums = [(outcome.log_likelihoods[0], 1) for outcome in outcomes]
        return np.array(sums), _perplexity
    if metric == "word_perplexity":
        sums = [
            (outcome.log_likelihoods[0], example.num_words)
            for example, outcome in zip(examples, outcomes, strict=True)
        ]
        return np.array(sums), _perplexity
    return _class_counts(metric, examples, outcomes)


def _bleu_counts(metric, examples, outcomes):
    """Counts of n-grams, and which BLEU is of their sums."""
    texts = [outcome.predicted.strip() for outcome in outcomes]
    answers = [[a.strip() for a in e.answers] for e in examples]
    if metric == "bleu":
        return bleu_counts(texts, answers), bleu_of_counts
    languages = [example.language for example in examples]
    texts = list(map(moses_tokens, texts, languages))
    answers = [
        [moses_tokens(answer, language) for answer in accepted]
        for accepted, language in zip(answers, languages, strict=True)
    ]
    counts = bleu_counts(texts, answers, tokenize="none")
    return counts, multi_bleu_of_counts


def _right(examples, outcomes):
    """Whether each answer is right, or of each group all are."""
    groups = [example.group for example in examples]
    if None not in groups:
        return exact_groups(*_classes(examples, outcomes), groups)
    return [
        text_score("accuracy", outcome.predicted, example)
        if isinstance(outcome.predicted, str)
        else outcome.correct
        for example, outcome in zip(examples, outcomes, strict=True)
    ]


def _text_score(metric, example, outcome):
    """The score of an answer in words, or of a choice by its name."""
    text = outcome.predicted
    if example.choices:
        names = example.choice_names or example.choices
        accepted = tuple(
            name
            for name, choice in zip(names, example.choices, strict=True)
            if choice in example.answers
        )
        example = dataclasses.replace(example, answers=accepted)
        text = names[outcome.predicted]
    return text_score(metric, text, example)


def _class_counts(metric, examples, outcomes):
    rows = class_counts(
        *_classes(examples, outcomes),
        max(len(example.choices) for example in examples),
    )
    return rows, macro_f1 if metric == "macro_f1" else f1_over_answers


def _classes(examples, outcomes):
    predicted = [outcome.predicted for outcome in outcomes]
    return predicted, [example.label for example in examples]


def _perplexity(sums):
    """Of sums `(resamples, 2)` of log-likelihoods and of answers or words."""
    return np.exp(-sums[:, 0] / sums[:, 1])


def mean_shots(outcomes):
    """The demonstrations that fitted into a prompt, in the mean."""
    if not outcomes:
        return math.nan
    return sum(outcome.shots for outcome in outcomes) / len(outcomes)


# Metrics over all answers together: F1a, macro F1, whole questions.
#
# Like BLEU these are not means over examples. They come from counts that can be
# added up, over the examples of a resample too.


def class_counts(predicted, correct, num_classes=2):
    """Count what F1 is computed from, for each example and class."""
    classes = np.arange(num_classes)
    _check(predicted, correct, num_classes=num_classes)
    is_predicted = np.asarray(predicted, int)[:, None] == classes
    is_correct = np.asarray(correct, int)[:, None] == classes
    both = is_predicted & is_correct
    return np.stack([both, is_predicted, is_correct], axis=-1).astype(np.int64)


def f1_over_answers(sums):
    """Return the F1 of class 1 over all answers: MultiRC's F1a."""
    return _class_f1(sums)[..., 1]


def macro_f1(sums):
    """Return the mean over classes of F1: CommitmentBank's."""
    occurs = np.asarray(sums)[..., 1:].any(axis=-1)
    total = (_class_f1(sums) * occurs).sum(axis=-1)
    return total / np.maximum(occurs.sum(axis=-1), 1)


def exact_groups(predicted, correct, groups):
    """Return for each group whether all of its examples are right.

    The mean is MultiRC's accuracy per question.
    """
    _check(predicted, correct, groups)
    is_wrong = np.not_equal(predicted, correct).astype(int)
    return (cluster_sums(is_wrong, groups) == 0).astype(float)


def _class_f1(sums):
    both, predicted, correct = np.moveaxis(np.asarray(sums), -1, 0)
    return 2 * both / np.maximum(predicted + correct, 1)


def _check(predicted, correct, groups=None, num_classes=None):
    lengths = {len(predicted), len(correct)}
    if groups is not None:
        lengths.add(len(groups))
    if len(lengths) > 1:
        raise ValueError(
            "predicted, correct and groups must be of one length. Received: "
            f"lengths={sorted(lengths)}. Give one entry an example."
        )
    classes = {*predicted, *correct}
    if num_classes is not None and not classes <= set(range(num_classes)):
        raise ValueError(
            f"Classes must be from 0 to {num_classes - 1}. Received: "
            f"{sorted(classes)}. Correct num_classes={num_classes}."
        )
