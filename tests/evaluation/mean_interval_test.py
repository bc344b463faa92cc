import math

import pytest

from keras_gpt3.evaluation.metrics.uncertainty import bootstrap_interval
from keras_gpt3.evaluation.metrics.uncertainty import mean_interval


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
