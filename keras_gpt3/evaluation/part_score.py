"""The mean score of a part of an evaluation set."""

import dataclasses

import numpy as np

from keras_gpt3.evaluation.mean_interval import mean_interval


@dataclasses.dataclass(frozen=True)
class PartScore:
    """The mean score of a part of the examples."""

    num_examples: int
    value: float | None
    interval: tuple | None


def part_score(scores, seed=0):
    """Takes the mean of scores, with its interval."""
    if not len(scores):
        return PartScore(0, None, None)
    interval = mean_interval(scores, seed=seed)
    return PartScore(len(scores), float(np.mean(scores)), interval)
