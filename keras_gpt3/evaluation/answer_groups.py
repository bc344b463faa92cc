"""Metrics over all answers together: F1a, macro F1, whole questions.

Like BLEU these are no means over examples. They come from counts that can be
added up, over the examples of a resample too.
"""

import numpy as np

from keras_gpt3.evaluation.uncertainty import cluster_sums


def class_counts(predicted, correct, num_classes=2):
    """Counts what F1 is computed from, for each example and class."""
    classes = np.arange(num_classes)
    _check(predicted, correct, num_classes=num_classes)
    is_predicted = np.asarray(predicted, int)[:, None] == classes
    is_correct = np.asarray(correct, int)[:, None] == classes
    both = is_predicted & is_correct
    return np.stack([both, is_predicted, is_correct], axis=-1).astype(np.int64)


def f1_over_answers(sums):
    """Returns the F1 of class 1 over all answers: MultiRC's F1a."""
    return _class_f1(sums)[..., 1]


def macro_f1(sums):
    """Returns the mean over classes of F1: CommitmentBank's."""
    occurs = np.asarray(sums)[..., 1:].any(axis=-1)
    total = (_class_f1(sums) * occurs).sum(axis=-1)
    return total / np.maximum(occurs.sum(axis=-1), 1)


def exact_groups(predicted, correct, groups):
    """Tells for each group whether all of its examples are right.

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
