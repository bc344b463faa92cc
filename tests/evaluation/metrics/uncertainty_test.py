import itertools
import math
import re

import numpy as np
import pytest

from keras_gpt3.evaluation.metrics import uncertainty
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap_interval
from keras_gpt3.evaluation.metrics.uncertainty import cluster_sums
from keras_gpt3.evaluation.metrics.uncertainty import mean_interval
from keras_gpt3.evaluation.metrics.uncertainty import percentiles
from keras_gpt3.evaluation.metrics.uncertainty import standard_error

# === Uncertainty ===


def test_the_standard_error_is_that_worked_out_by_hand():
    # The mean is 3/4; 3/16 of spread over n - 1 = 3, times 4, is 1/4.
    assert standard_error([1, 0, 1, 1]) == pytest.approx(0.25)


def test_one_value_tells_no_standard_error():
    assert np.isnan(standard_error([1.0]))


def test_the_standard_error_of_clusters_is_that_worked_out_by_hand():
    # Deviations 1/4, -3/4, 1/4, 1/4; of the clusters -1/2 and 1/2.
    clusters = ["a", "a", "b", "b"]
    expected = np.sqrt(2 * (1 / 4 + 1 / 4)) / 4
    assert standard_error([1, 0, 1, 1], clusters) == pytest.approx(expected)
    assert np.isnan(standard_error([1, 0], ["a", "a"]))


def test_clusters_of_one_example_change_nothing():
    values = np.random.default_rng(0).random(20)
    clusters = range(20)
    assert standard_error(values, clusters) == pytest.approx(
        standard_error(values)
    )
    np.testing.assert_allclose(
        bootstrap(values, clusters=clusters), bootstrap(values), rtol=1e-12
    )


def test_clusters_are_drawn_whole_in_any_order():
    values, clusters = [1.0, 2.0, 4.0, 9.0], ["a", "b", "a", "a"]
    parts = {"a": [1.0, 4.0, 9.0], "b": [2.0]}
    drawn = np.random.default_rng(5).integers(2, size=(30, 2))
    expected = [
        np.mean([v for number in row for v in parts["ab"[number]]])
        for row in drawn
    ]
    found = bootstrap(values, resamples=30, seed=5, clusters=clusters)
    np.testing.assert_allclose(found, expected)
    np.testing.assert_array_equal(cluster_sums(values, clusters), [14, 2])
    right = [True, True, True, False]
    assert cluster_sums(right, clusters).tolist() == [2, 1]


def test_the_error_of_clusters_is_that_of_resamples():
    generator = np.random.default_rng(0)
    clusters = np.repeat(np.arange(200), 5)
    values = np.repeat(generator.random(200), 5) + generator.random(1000)
    resampled = bootstrap(values, resamples=2000, clusters=clusters)
    error = standard_error(values, clusters)
    # The deviation over 2000 draws is known to 2%; three of them.
    assert resampled.std() == pytest.approx(error, rel=0.06)
    assert error > 1.5 * standard_error(values)


def test_resamples_equal_those_drawn_one_by_one(monkeypatch):
    rows = np.arange(14.0).reshape(7, 2)
    generator = np.random.default_rng(5)
    sums = [rows[generator.integers(7, size=7)].sum(axis=0) for _ in range(30)]
    expected = [a / b for a, b in sums]

    def ratio(sums):
        return sums[:, 0] / sums[:, 1]

    whole = bootstrap(rows, ratio, resamples=30, seed=5)
    np.testing.assert_array_equal(whole, expected)
    # In parts of one, two and four resamples, the last not full.
    for part in (1, 28, 60):
        monkeypatch.setattr(uncertainty, "_PART", part)
        parts = bootstrap(rows, ratio, resamples=30, seed=5)
        np.testing.assert_array_equal(parts, expected)


def test_resamples_have_the_spread_of_all_possible_ones():
    values = [0.0, 1.0, 5.0]
    possible = [np.mean(s) for s in itertools.product(values, repeat=3)]
    drawn = bootstrap(values, resamples=4000)
    # Four standard errors of a mean and a deviation over 4000 draws.
    assert drawn.mean() == pytest.approx(2.0, abs=0.08)
    assert drawn.std() == pytest.approx(np.std(possible), abs=0.06)
    assert set(drawn.round(6)) == set(np.round(possible, 6))


def test_the_interval_is_the_normal_one_where_examples_are_many():
    values = np.random.default_rng(0).random(1000) < 0.7
    low, high = bootstrap_interval(values, resamples=2000)
    mean, error = values.mean(), standard_error(values)
    assert low == pytest.approx(mean - 1.96 * error, abs=0.004)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.004)


def test_the_interval_holds_its_share_of_the_resamples():
    values = np.random.default_rng(0).random(50)
    low, high = bootstrap_interval(values, level=0.8, seed=2)
    drawn = bootstrap(values, seed=2)
    assert np.mean((low <= drawn) & (drawn <= high)) == pytest.approx(0.8)
    assert np.mean(drawn < low) == pytest.approx(0.1)


def test_examples_that_agree_leave_no_doubt():
    assert bootstrap_interval([1, 1, 1]) == (1.0, 1.0)
    assert standard_error([1, 1, 1]) == 0.0


def test_the_seed_decides():
    values = np.random.default_rng(0).random(50)
    first = bootstrap(values, seed=1)
    np.testing.assert_array_equal(first, bootstrap(values, seed=1))
    assert not np.array_equal(first, bootstrap(values, seed=2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: standard_error([]),
            "There must be at least one example. Received: none. Evaluate "
            "more examples.",
        ),
        (
            lambda: bootstrap(np.zeros((0, 3))),
            "There must be at least one example. Received: none. Evaluate "
            "more examples.",
        ),
        (
            lambda: bootstrap([1.0], resamples=0),
            "resamples must be an integer of at least 1. Received: "
            "resamples=0. Pass 1 or more.",
        ),
        (
            lambda: percentiles([1.0], level=95),
            "level must be between 0 and 1. Received: level=95. Use 0.95 for "
            "95%.",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()


# === Mean interval ===


@pytest.mark.parametrize("count", [1, 4, 300])
def test_the_bound_of_scores_that_agree_is_that_of_clopper_and_pearson(count):
    low, high = mean_interval([1.0] * count)
    # With this share of right ones, all of them are in 1 of 40 cases.
    assert math.pow(low, count) == pytest.approx(0.025)
    assert high == 1.0
    assert mean_interval([0] * count) == (0.0, pytest.approx(1 - low))


def test_many_that_agree_follow_the_rule_of_three():
    # One-sided 95%: 3 / n.
    _, high = mean_interval([False] * 1000, level=0.9)
    assert high == pytest.approx(3 / 1000, rel=0.01)


def test_of_clusters_that_agree_the_clusters_count():
    clusters = ["a", "a", "b", "b", "b"]
    found = mean_interval([1.0] * 5, clusters)
    assert found == pytest.approx((0.025**0.5, 1.0))


@pytest.mark.parametrize("scores", [[1.0, 0.0, 1.0], [0.5, 0.5]])
def test_other_scores_have_the_bootstrap_s_interval(scores):
    expected = bootstrap_interval(scores, seed=3, level=0.8)
    assert mean_interval(scores, seed=3, level=0.8) == expected
    clusters = ["a", "a", "b"][: len(scores)]
    expected = bootstrap_interval(scores, clusters=clusters)
    assert mean_interval(scores, clusters) == expected


def test_no_scores_raise():
    with pytest.raises(ValueError, match="There must be at least one example"):
        mean_interval([])
