import numpy as np
import pytest

from keras_gpt3.evaluation.contamination.contamination import Contamination
from keras_gpt3.evaluation.contamination.contamination_scores import (
    contamination_scores,
)


def found(is_dirty):
    return Contamination(8, tuple(is_dirty), (False,) * len(is_dirty))


def test_parts_and_change_are_as_by_hand():
    scores = contamination_scores(
        found([True, False, False, True, False]), [1.0, 1.0, 0.0, 1.0, 0.5]
    )
    assert scores.everything.value == pytest.approx(3.5 / 5)
    assert scores.clean.value == pytest.approx(1.5 / 3)
    assert scores.dirty.value == 1.0
    parts = (scores.everything, scores.clean, scores.dirty)
    assert [part.num_examples for part in parts] == [5, 3, 2]
    # 0.5 / 0.7 - 1.
    assert scores.change == pytest.approx(-28.571, abs=1e-3)
    low, high = scores.change_interval
    assert low < scores.change < high


def test_the_interval_of_the_change_is_that_of_slow_resamples():
    generator = np.random.default_rng(0)
    values = generator.random(60)
    is_clean = generator.random(60) < 0.7
    expected = []
    for _ in range(4000):
        drawn = generator.integers(60, size=60)
        clean = values[drawn][is_clean[drawn]]
        expected.append(100 * (clean.mean() / values[drawn].mean() - 1))
    scores = contamination_scores(found(~is_clean), values)
    # Quantiles of 1000 resamples swing by a tenth of their width.
    assert scores.change_interval == pytest.approx(
        np.quantile(expected, [0.025, 0.975]), abs=1.0
    )


@pytest.mark.parametrize(
    ("is_dirty", "values"),
    [([True, True], [1.0, 0.0]), ([True, False], [0.0, 0.0])],
)
def test_there_is_no_change_without_clean_examples_or_score(is_dirty, values):
    scores = contamination_scores(found(is_dirty), values)
    assert scores.change is scores.change_interval is None


def test_resamples_without_a_clean_example_are_left_out():
    scores = contamination_scores(found([True, False]), [1.0, 1.0])
    assert scores.change == 0
    assert scores.change_interval == (0, 0)


def test_an_all_clean_set_has_no_dirty_score():
    scores = contamination_scores(found([False, False]), [1.0, 0.5])
    assert scores.dirty.value is None
    assert scores.change == 0


def test_what_is_too_short_is_in_no_score():
    short = Contamination(8, (True, False, False), (False, False, True))
    scores = contamination_scores(short, [0.5, 1.0, 0.0])
    assert scores.everything.value == 0.75
    assert scores.everything.num_examples == 2
    assert (scores.dirty.value, scores.clean.value) == (0.5, 1.0)
    assert scores.change == pytest.approx(100 / 3)


def test_where_none_can_be_compared_there_is_no_score():
    scores = contamination_scores(
        Contamination(8, (False, False), (True, True)), [1.0, 0.0]
    )
    assert scores.everything.value is scores.clean.value is None
    assert scores.dirty.value is scores.change is None


def test_scores_of_another_set_raise():
    with pytest.raises(ValueError, match=r"shape \(3,\), for 2 examples"):
        contamination_scores(found([True, False]), [1.0, 1.0, 1.0])
