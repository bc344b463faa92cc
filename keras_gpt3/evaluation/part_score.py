"""The mean score of a part of an evaluation set."""

import dataclasses

import numpy as np

from keras_gpt3.evaluation.mean_interval import mean_interval


@dataclasses.dataclass(frozen=True)
class PartScore:
    """The mean score of a part of the examples.

    Args:
        num_examples: int.
        value: float, or `None` where there is no example.
        interval: pair of floats, the 95% of `mean_interval`, or `None`.

    Example:

    ```python
    from keras_gpt3.evaluation.part_score import PartScore

    PartScore(num_examples=200, value=0.5, interval=(0.43, 0.57))
    ```
    """

    num_examples: int
    value: float | None
    interval: tuple | None


def part_score(scores, seed=0):
    """Takes the mean of scores, with its interval.

    Args:
        scores: sequence of floats, one an example; it may be empty.
        seed: int. Of the bootstrap. Defaults to `0`.

    Returns:
        A `PartScore`.

    Example:

    ```python
    from keras_gpt3.evaluation.part_score import part_score

    part_score([1.0, 0.0, 1.0]).value  # 0.667
    ```
    """
    if not len(scores):
        return PartScore(0, None, None)
    interval = mean_interval(scores, seed=seed)
    return PartScore(len(scores), float(np.mean(scores)), interval)
