import json
import math
import re

import numpy as np
import pytest

from keras_gpt3.training.run.state import LossSpikes


def slow_spikes(losses, deviations, window):
    """Looks at the last losses that were none, anew each time."""
    kept, spikes = [], []
    for loss in losses:
        last = kept[-window:]
        enough = len(last) >= window // 2
        is_spike = enough and loss > np.mean(last) + deviations * np.std(last)
        spikes.append(is_spike)
        if not is_spike:
            kept.append(loss)
    return spikes


@pytest.mark.parametrize("window", [4, 5, 20])
@pytest.mark.parametrize("deviations", [1.5, 3.0])
def test_spikes_are_those_of_the_slow_search(deviations, window):
    random = np.random.default_rng(0)
    losses = 4 + random.normal(size=60) - np.arange(60) / 20
    losses[[25, 26, 50]] += 30
    spikes = LossSpikes(deviations, window)
    received = [spikes.add(loss) for loss in losses.tolist()]
    assert received == slow_spikes(losses, deviations, window)
    assert received[25] and received[26] and received[50]


def test_a_fall_is_no_spike():
    spikes = LossSpikes(1.0, 4)
    assert not any([spikes.add(loss) for loss in (3.0, 3.1, 0.1)])


def test_without_a_bound_nothing_is_a_spike():
    spikes = LossSpikes(None)
    assert not any([spikes.add(loss) for loss in [1.0] * 100 + [1e9]])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_passed_over(bad):
    spikes = LossSpikes(4.0, 4)
    assert not any([spikes.add(loss) for loss in (3.0, 3.1, bad, 2.9)])
    assert spikes.get_state() == [3.0, 3.1, 2.9]
    assert spikes.add(9.0)


def test_a_run_that_goes_on_finds_what_it_would_have_found():
    losses = np.random.default_rng(1).normal(size=40).tolist()
    whole, first, second = (LossSpikes(1.0, 6) for _ in range(3))
    expected = [whole.add(loss) for loss in losses]
    received = [first.add(loss) for loss in losses[:17]]
    second.add(100.0)  # Is replaced.
    second.set_state(json.loads(json.dumps(first.get_state())))
    received += [second.add(loss) for loss in losses[17:]]
    assert received == expected
    assert any(expected[17:])


def test_after_a_rollback_it_starts_anew():
    spikes = LossSpikes(1.0, 4)
    for loss in (1.0, 1.1, 1.0):
        spikes.add(loss)
    spikes.forget()
    assert [spikes.add(loss) for loss in (9.0, 9.1, 20.0)] == [0, 0, 1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            (0.0,),
            "spike_deviations must be above 0. Received: spike_deviations=0.0."
            " Use None to look for no spikes.",
        ),
        (
            (3.0, 3),
            "spike_window must be an integer of at least 4. Received: "
            "spike_window=3. Pass 4 or more.",
        ),
    ],
)
def test_numbers_out_of_their_range_raise(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        LossSpikes(*arguments)
