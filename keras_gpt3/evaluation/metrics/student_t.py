"""Student's t: an interval of a mean, and a test of two means."""

import dataclasses
import math

import numpy as np


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
    degrees = len(first) + len(second) - 2
    squares = sum(np.sum((x - x.mean()) ** 2) for x in (first, second))
    error = math.sqrt(squares / degrees * (1 / len(first) + 1 / len(second)))
    difference = float(first.mean() - second.mean())
    if error == 0:
        t = math.copysign(math.inf, difference) if difference else math.nan
    else:
        t = difference / error
    return StudentTest(t, two_sided_p(t, degrees))


def t_interval(values, level=0.95):
    """Return the interval of a mean by the t-distribution.

    Both ends are NaN for fewer than two values: they have no spread.
    """
    values = np.asarray(values, "float64")
    if len(values) < 2:
        return math.nan, math.nan
    error = values.std(ddof=1) / math.sqrt(len(values))
    half = t_quantile(level, len(values) - 1) * error
    return float(values.mean() - half), float(values.mean() + half)


def t_quantile(level, degrees):
    """Return the t that the absolute value is below with a probability."""
    low, high = 0.0, 1.0
    while two_sided_p(high, degrees) > 1 - level:
        high *= 2
    # Halved until no float is between.
    while low < (middle := (low + high) / 2) < high:
        is_low = two_sided_p(middle, degrees) > 1 - level
        low, high = (middle, high) if is_low else (low, middle)
    return high


def two_sided_p(t, degrees):
    """Return the probability of a t at least as far from 0.

    By the regularized incomplete beta function: I_x(n / 2, 1 / 2), where n is
    the degrees of freedom and x = n / (n + t^2) (Abramowitz and Stegun 26.7.1).
    """
    square = t * t
    if math.isnan(square) or math.isinf(square):
        return 0.0 if square > 0 else math.nan
    return _incomplete_beta(
        degrees / 2, 0.5, degrees / (degrees + square), square
    )


def _incomplete_beta(a, b, x, square):
    """I_x(a, b), where 1 - x is `square / (2 a + square)`."""
    # Not 1 - x, which has no digits left where x is nearly 1.
    rest = square / (2 * a + square)
    if rest == 0:
        return 1.0
    log_front = (
        math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
        + a * math.log(x)
        + b * math.log(rest)
    )
    front = math.exp(log_front)
    # Each of the two converges fast where the other does not.
    if x < (a + 1) / (a + b + 2):
        return front / a * _fraction(a, b, x)
    return 1 - front / b * _fraction(b, a, rest)


# Some 20 are needed for 15 digits, and more as the parameters grow.
_MOST_TERMS = 10_000
# In place of 0, by which nothing can be divided.
_TINY = 1e-300


def _fraction(a, b, x):
    """The continued fraction of I_x(a, b) (DLMF 8.17.22), by its convergents.

    By Lentz's method: `above` and `below` are the ratios of a convergent's
    numerator and denominator to those before, which do not overflow.
    """
    above, below, value = 1.0, math.inf, 1.0
    for term in _terms(a, b, x):
        above = 1 + term / above or _TINY
        below = 1 + term / below or _TINY
        value *= above / below
        if abs(above / below - 1) < 1e-15:
            break
    return 1 / value


def _terms(a, b, x):
    """The partial numerators d_1, d_2, ... of DLMF 8.17.23."""
    for m in range(_MOST_TERMS):
        if m:
            yield m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = (a + m) * (a + b + m) * x
        yield -odd / ((a + 2 * m) * (a + 2 * m + 1))
