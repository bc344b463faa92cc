"""How sure a metric is: standard errors and bootstrap intervals."""

import numpy as np

from keras_gpt3.integer_argument import check_integer

# Entries that a part of the resamples may have at once: some 30 MB.
_PART = 4_000_000


def standard_error(values, clusters=None):
    """Returns the standard error of a mean.

    With clusters it is the one that holds where examples of a cluster are not
    independent: the deviations from the mean are summed in each cluster first.

    Args:
        values: array or list of floats, one an example.
        clusters: sequence of hashables, one an example: what the examples of a
            cluster share. Defaults to `None`: each is one of its own.

    Returns:
        The sample standard deviation over the square root of their number;
        NaN for a single value or cluster, which tells nothing about its
        spread.

    Raises:
        ValueError: If there is no value.

    Example:

    ```python
    from keras_gpt3.evaluation.uncertainty import standard_error

    standard_error([1.0, 0.0, 1.0, 1.0])  # 0.25
    standard_error([1.0, 0.0, 1.0, 1.0], ["a", "b", "a", "b"])  # 0.25
    ```
    """
    values = _rows(values)
    deviations = values - values.mean()
    if clusters is not None:
        deviations = cluster_sums(deviations, clusters)
    count = len(deviations)
    if count == 1:
        return float("nan")
    spread = np.sqrt(np.sum(deviations**2) * count / (count - 1))
    return float(spread / len(values))


def cluster_sums(rows, clusters):
    """Adds up the rows of each cluster.

    Args:
        rows: array `(examples, ...)`.
        clusters: sequence of hashables, one an example.

    Returns:
        An array `(clusters, ...)`, in the order in which they first occur.

    Example:

    ```python
    from keras_gpt3.evaluation.uncertainty import cluster_sums

    cluster_sums([1, 2, 4], ["a", "b", "a"])  # array([5, 2])
    ```
    """
    rows, numbers = np.asarray(rows), {}
    if rows.dtype == bool:
        rows = rows.astype(int)
    places = [numbers.setdefault(key, len(numbers)) for key in clusters]
    sums = np.zeros((len(numbers), *rows.shape[1:]), rows.dtype)
    np.add.at(sums, places, rows)
    return sums


def bootstrap(rows, statistic=None, resamples=1000, seed=0, clusters=None):
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
        clusters: as for `standard_error`. Whole clusters are drawn then, as
            many as there are. Defaults to `None`: examples are.

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
    if clusters is not None:
        if statistic is None:
            # A mean over resamples of different sizes.
            rows = np.stack([rows, np.ones_like(rows)], axis=-1)
            statistic = _ratio
        rows = cluster_sums(rows, clusters)
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
    rows, statistic=None, resamples=1000, seed=0, level=0.95, clusters=None
):
    """Returns the percentile bootstrap interval of a metric.

    Args:
        rows: as for `bootstrap`.
        statistic: as for `bootstrap`. Defaults to `None`, the mean.
        resamples: int. Defaults to `1000`.
        seed: int. Defaults to `0`.
        level: float. The share of resamples in the interval. Defaults to
            `0.95`.
        clusters: as for `bootstrap`. Defaults to `None`.

    Returns:
        A pair of floats.

    Raises:
        ValueError: As `bootstrap` and `percentiles` say.

    Example:

    ```python
    from keras_gpt3.evaluation.uncertainty import bootstrap_interval

    bootstrap_interval([1.0, 0.0, 1.0, 1.0])  # (0.25, 1.0)
    ```
    """
    drawn = bootstrap(rows, statistic, resamples, seed, clusters)
    return percentiles(drawn, level)


def percentiles(values, level=0.95):
    """Returns the interval that holds a share of values, as much on each side.

    Args:
        values: array, as of `bootstrap`.
        level: float. The share of values in the interval. Defaults to `0.95`.

    Returns:
        A pair of floats.

    Raises:
        ValueError: If `level` is not between 0 and 1.

    Example:

    ```python
    from keras_gpt3.evaluation.uncertainty import percentiles

    percentiles(range(101), level=0.8)  # (10.0, 90.0)
    ```
    """
    if not 0 < level < 1:
        raise ValueError(
            f"level must be between 0 and 1. Received: level={level}. Use 0.95 "
            "for 95%."
        )
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _ratio(sums):
    return sums[..., 0] / sums[..., 1]


def _rows(values):
    rows = np.asarray(values)
    if not rows.size:
        raise ValueError(
            "There must be at least one example. Received: none. Evaluate "
            "more examples."
        )
    return rows
