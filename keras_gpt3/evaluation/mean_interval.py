"""How sure a mean of scores is, also where all of them agree."""

import numpy as np

from keras_gpt3.evaluation.uncertainty import bootstrap_interval


def mean_interval(scores, clusters=None, seed=0, level=0.95):
    """Returns an interval of a mean of scores, each from 0 to 1.

    It is the bootstrap's. Where all scores are 1, or all are 0, the bootstrap
    has no spread, however few they are: then it is the interval of Clopper and
    Pearson (1934), which for 95% of n that are right begins at 0.025^(1/n).
    """
    interval = bootstrap_interval(
        scores, seed=seed, level=level, clusters=clusters
    )
    found = set(np.asarray(scores, "float64").tolist())
    if found not in ({0.0}, {1.0}):
        return interval
    count = len(scores) if clusters is None else len(set(clusters))
    bound = ((1 - level) / 2) ** (1 / count)
    return (bound, 1.0) if found == {1.0} else (0.0, 1 - bound)
