"""How sure a metric is: standard errors and bootstrap intervals."""

import numpy as np

from keras_gpt3.integer_argument import check_integer

# Entries that a part of the resamples may have at once: some 30 MB.
_PART = 4_000_000


def standard_error(values):
    """Returns the standard error of a mean.

    Args:
        values: array or list of floats, one an example.

    Returns:
        The sample standard deviation over the square root of their number;
        NaN for a single value, which tells nothing about its spread.

    Raises:
        ValueError: If there is no value.

    Example:

    ```python
    from keras_gpt3.evaluation.uncertainty import standard_error

    standard_error([1.0, 0.0, 1.0, 1.0])  # 0.25
    ```
    """
    values = _rows(values)
    if len(values) == 1:
        return float("nan")
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def bootstrap(rows, statistic=None, resamples=1000, seed=0):
    """Returns a metric over resamples of the examples.

    A resample has as many examples, drawn from them with replacement. Some
    metrics are no mean over examples, like BLEU or F1 over a corpus; but they
    come from counts that are added up, so a resample needs only new sums.

    Args:
        rows: array `(examples, ...)`. The value of each example, or its
            counts.
        statistic: callable from sums over examples, an array `(resamples,
            ...)`, to an array `(resamples,)`. Defaults to `None`, the mean.
        resamples: int. Defaults to `1000`.
        seed: int. Defaults to `0`.

    Returns:
        A float64 array `(resamples,)`.

    Raises:
        ValueError: If there are no examples, or `resamples` is not positive.

    Example:

    ```python
    from keras_gpt3.evaluation.uncertainty import bootstrap

    bootstrap([1.0, 0.0, 1.0, 1.0]).std()  # About 0.22.
    ```
    """
    rows = _rows(rows)
    check_integer("resamples", resamples, minimum=1)
    generator = np.random.default_rng(seed)
    # One part holds the entries that its resamples draw.
    at_once = max(1, _PART // rows.size)
    sums = []
    for start in range(0, resamples, at_once):
        shape = (min(at_once, resamples - start), len(rows))
        drawn = generator.integers(len(rows), size=shape)
        sums.append(rows[drawn].sum(axis=1))
    sums = np.concatenate(sums)
    return sums / len(rows) if statistic is None else statistic(sums)


def bootstrap_interval(
    rows, statistic=None, resamples=1000, seed=0, level=0.95
):
    """Returns the percentile bootstrap interval of a metric.

    Args:
        rows: as for `bootstrap`.
        statistic: as for `bootstrap`. Defaults to `None`, the mean.
        resamples: int. Defaults to `1000`.
        seed: int. Defaults to `0`.
        level: float. The share of resamples in the interval. Defaults to
            `0.95`.

    Returns:
        A pair of floats.

    Raises:
        ValueError: If there are no examples, or `level` is not between 0 and
            1.

    Example:

    ```python
    from keras_gpt3.evaluation.uncertainty import bootstrap_interval

    bootstrap_interval([1.0, 0.0, 1.0, 1.0])  # (0.25, 1.0)
    ```
    """
    if not 0 < level < 1:
        raise ValueError(
            f"level must be between 0 and 1. Received: level={level}. Use 0.95 "
            "for 95%."
        )
    values = bootstrap(rows, statistic, resamples, seed)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _rows(values):
    rows = np.asarray(values)
    if not rows.size:
        raise ValueError(
            "There must be at least one example. Received: none. Evaluate "
            "more examples."
        )
    return rows
