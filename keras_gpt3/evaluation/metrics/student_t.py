"""Student's t, by SciPy: an interval of a mean, and a test of two means."""

import dataclasses
import math

import numpy as np

from keras_gpt3.needed_packages import needed_packages


@dataclasses.dataclass(frozen=True)
class StudentTest:
    """What a t-test of two samples gives."""

    t: float
    p_value: float


def t_test(first, second):
    """Test whether two independent samples have the same mean.

    Student's two-sided test with one variance for both, as in the paper
    (Appendix E: `scipy.stats.ttest_ind`). `t` is above 0 where the first mean
    is the larger one. Both are NaN where a sample has fewer than two values,
    or no value differs.
    """
    first, second = (np.asarray(x, "float64") for x in (first, second))
    if min(len(first), len(second)) < 2:
        return StudentTest(math.nan, math.nan)
    if np.ptp(first) == np.ptp(second) == 0:  # SciPy divides by it.
        difference = float(first[0] - second[0])
        if difference == 0:
            return StudentTest(math.nan, math.nan)
        return StudentTest(math.copysign(math.inf, difference), 0.0)
    summary = [(x.mean(), x.std(ddof=1), len(x)) for x in (first, second)]
    found = _stats().ttest_ind_from_stats(*summary[0], *summary[1])
    return StudentTest(float(found.statistic), float(found.pvalue))


def t_interval(values, level=0.95):
    """Return the interval of a mean by the t-distribution.

    Both ends are NaN for fewer than two values: they have no spread.
    """
    values = np.asarray(values, "float64")
    if len(values) < 2:
        return math.nan, math.nan
    mean, error = values.mean(), values.std(ddof=1) / math.sqrt(len(values))
    if error == 0:  # SciPy has no such distribution.
        return float(mean), float(mean)
    low, high = _stats().t.interval(level, len(values) - 1, mean, error)
    return float(low), float(high)


def _stats():
    with needed_packages("Answers must be compared by scipy", "evaluate"):
        import scipy.stats
    return scipy.stats
