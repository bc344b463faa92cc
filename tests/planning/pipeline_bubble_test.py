import pytest

from keras_gpt3.planning.step_time import pipeline_bubble


@pytest.mark.parametrize(
    ("stages", "micro_batches", "expected"),
    [(1, 1, 0), (1, 8, 0), (2, 1, 1 / 2), (4, 1, 3 / 4), (4, 12, 1 / 5)],
)
def test_the_bubble_is_what_a_stage_waits_for(stages, micro_batches, expected):
    assert pipeline_bubble(stages, micro_batches) == pytest.approx(expected)


def test_each_group_has_a_bubble_of_its_own():
    # Three groups of 7 in 2 stages; one place of the last stays empty.
    assert pipeline_bubble(2, 20) == pytest.approx(1 - 20 / 24)
    assert pipeline_bubble(2, 800) == pipeline_bubble(2, 8)


def test_more_micro_batches_shrink_it_up_to_a_group():
    bubbles = [pipeline_bubble(8, n) for n in (1, 2, 4, 32)]
    assert bubbles == sorted(bubbles, reverse=True)
    assert bubbles[-1] < 0.2
