"""How sure a metric is: standard errors and bootstrap intervals."""

import numpy as np

from keras_gpt3.argument_checks import check_integer

# Entries that a part of the resamples may have at once: some 30 MB.
_PART = 4_000_000


def standard_error(values, clusters=None):
    """Return the standard error of a mean.

    With clusters it is the one that holds where examples of a cluster are not
    independent: the deviations from the mean are summed in each cluster first.
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
    """Add up the rows of each cluster."""
    rows, numbers = np.asarray(rows), {}
    if rows.dtype == bool:
        rows = rows.astype(int)
    places = [numbers.setdefault(key, len(numbers)) for key in clusters]
    sums = np.zeros((len(numbers), *rows.shape[1:]), rows.dtype)
    np.add.at(sums, places, rows)
    return sums


def bootstrap(rows, statistic=None, resamples=1000, seed=0, clusters=None):
    """Return a metric over resamples of the examples.

    A resample has as many examples, drawn from them with replacement. Some
    metrics are not means over examples, like BLEU or F1 over a corpus; but they
    come from counts that are added up, so a resample needs only new sums.
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
    """Return the percentile bootstrap interval of a metric."""
    drawn = bootstrap(rows, statistic, resamples, seed, clusters)
    return percentiles(drawn, level)


def percentiles(values, level=0.95):
    """Return the central interval that holds a share of values."""
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


def mean_interval(scores, clusters=None, seed=0, level=0.95):
    """Return an interval of a mean of scores, each from 0 to 1.

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
