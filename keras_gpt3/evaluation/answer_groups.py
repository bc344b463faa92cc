"""Metrics over all answers together: F1a, macro F1, whole questions.

Like BLEU these are no means over examples. They come from counts that can be
added up, over the examples of a resample too.
"""

import numpy as np

from keras_gpt3.evaluation.uncertainty import cluster_sums


def class_counts(predicted, correct, num_classes=2):
    """Counts what F1 is computed from, for each example and class.

    Args:
        predicted: sequence of ints. The class that each example got.
        correct: sequence of ints. The class that is right.
        num_classes: int. Defaults to `2`.

    Returns:
        An int64 array `(examples, num_classes, 3)`: whether the class was right
        and predicted, how often it was predicted, how often right. Rows may be
        added up.

    Raises:
        ValueError: If the lengths differ or a class is not below
            `num_classes`.

    Example:

    ```python
    from keras_gpt3.evaluation.answer_groups import class_counts

    class_counts([1, 0, 1], [1, 1, 0]).sum(axis=0)
    # array([[0, 1, 1], [1, 2, 2]])
    ```
    """
    classes = np.arange(num_classes)
    _check(predicted, correct, num_classes=num_classes)
    is_predicted = np.asarray(predicted, int)[:, None] == classes
    is_correct = np.asarray(correct, int)[:, None] == classes
    both = is_predicted & is_correct
    return np.stack([both, is_predicted, is_correct], axis=-1).astype(np.int64)


def f1_over_answers(sums):
    """Returns the F1 of class 1 over all answers: MultiRC's F1a.

    Args:
        sums: array `(..., classes, 3)`. Sums over rows of `class_counts`.

    Returns:
        A float64 array `(...)` from 0 to 1; 0 where the class does not occur.

    Example:

    ```python
    from keras_gpt3.evaluation.answer_groups import class_counts
    from keras_gpt3.evaluation.answer_groups import f1_over_answers

    f1_over_answers(class_counts([1, 0, 1], [1, 1, 0]).sum(axis=0))  # 0.5
    ```
    """
    return _class_f1(sums)[..., 1]


def macro_f1(sums):
    """Returns the mean over classes of F1: CommitmentBank's.

    Args:
        sums: array `(..., classes, 3)`. Sums over rows of `class_counts`.

    Returns:
        A float64 array `(...)` from 0 to 1. Classes that are neither right nor
        predicted anywhere do not count.

    Example:

    ```python
    from keras_gpt3.evaluation.answer_groups import class_counts
    from keras_gpt3.evaluation.answer_groups import macro_f1

    macro_f1(class_counts([0, 1, 1], [0, 1, 0]).sum(axis=0))  # 2 / 3
    ```
    """
    occurs = np.asarray(sums)[..., 1:].any(axis=-1)
    total = (_class_f1(sums) * occurs).sum(axis=-1)
    return total / np.maximum(occurs.sum(axis=-1), 1)


def exact_groups(predicted, correct, groups):
    """Tells for each group whether all of its examples are right.

    The mean is MultiRC's accuracy per question.

    Args:
        predicted: sequence of ints. The class that each example got.
        correct: sequence of ints. The class that is right.
        groups: sequence of strings, one an example.

    Returns:
        A float64 array of 1.0 or 0.0, one a group, in the order in which they
        first occur.

    Raises:
        ValueError: If the lengths differ.

    Example:

    ```python
    from keras_gpt3.evaluation.answer_groups import exact_groups

    exact_groups([1, 0, 1], [1, 1, 1], ["a", "a", "b"])  # array([0., 1.])
    ```
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
