import itertools

import pytest

from keras_gpt3.training.checkpoints.checkpointer import best_step
from keras_gpt3.training.checkpoints.checkpointer import kept_steps

METRICS = [
    {},
    {10: None},
    {10: 3.0, 20: 1.0, 30: 2.0, 40: 4.0, 50: None},
    {50: None, 10: 1.0, 30: None, 20: 1.0, 40: 2.0},
    {0: 0.0, 7: -1.0, 14: None, 15: 5.0, 16: 6.0, 17: 7.0},
]


def is_kept(step, metrics, keep_last, keep_every, keep_best):
    """The rules once more, as one would say them of a single checkpoint."""
    num_later = sum(other > step for other in metrics)
    is_best = metrics[step] is not None and not any(
        (metric, -other) < (metrics[step], -step)
        for other, metric in metrics.items()
        if metric is not None
    )
    return (
        num_later < keep_last
        or (keep_every is not None and step % keep_every == 0)
        or (keep_best and is_best)
    )


@pytest.mark.parametrize("metrics", METRICS)
def test_the_rules_keep_what_each_checkpoint_by_itself_deserves(metrics):
    for rules in itertools.product([1, 2, 9], [None, 1, 7, 20], [False, True]):
        expected = {step for step in metrics if is_kept(step, metrics, *rules)}
        assert kept_steps(metrics, *rules) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((1, None, False), {50}),
        ((2, None, False), {40, 50}),
        ((1, None, True), {20, 50}),
        ((1, 30, False), {30, 50}),
        ((1, 30, True), {20, 30, 50}),
    ],
)
def test_the_rules_by_example(rules, expected):
    assert kept_steps(METRICS[2], *rules) == expected


@pytest.mark.parametrize(
    ("metrics", "best"),
    list(zip(METRICS, [None, None, 20, 20, 7], strict=True)),
)
def test_the_best_is_the_latest_of_those_with_the_lowest_metric(metrics, best):
    assert best_step(metrics) == best
