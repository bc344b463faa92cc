import pytest

from keras_gpt3.evaluation.contamination.contamination_scores import PartScore
from keras_gpt3.evaluation.contamination.contamination_scores import part_score


def test_the_mean_comes_with_its_interval():
    score = part_score([1.0, 0.0] * 50)
    assert (score.num_examples, score.value) == (100, 0.5)
    # 1.96 standard errors of 0.05 on either side.
    assert score.interval == pytest.approx((0.4, 0.6), abs=0.02)


def test_no_example_has_no_score():
    assert part_score([]) == PartScore(0, None, None)
