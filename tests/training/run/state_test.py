import json
import logging
import math
import re

import numpy as np
import pytest

from keras_gpt3.training.recipe.pretraining_config import HealthSection
from keras_gpt3.training.run.state import LossSpikes
from keras_gpt3.training.run.state import RunHealth
from keras_gpt3.training.run.state import RunState

# === Loss spikes ===


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


# === Run health ===


def watch(health, losses, applied=()):
    """Steps through losses; which of them are spikes."""
    state, spikes = RunState(), []
    for step, loss in enumerate(losses):
        is_applied = step not in applied
        state.advance(8, is_applied)
        report = {"loss": loss, "gradient_norm": 1.0, "applied": is_applied}
        spikes.append(health.is_spike(state, report))
    return spikes


def test_a_loss_that_jumps_is_a_spike_if_they_are_looked_for():
    losses = [3.0, 3.1, 2.9, 3.0, 9.0, 3.0]
    section = HealthSection(spike_deviations=4.0, spike_window=4)
    assert watch(RunHealth(section, str), losses) == [False] * 4 + [True, False]
    assert not any(watch(RunHealth(HealthSection(), str), losses))


def test_a_skipped_update_is_named_and_is_no_spike(caplog):
    section = HealthSection(spike_deviations=1.0, spike_window=4)
    health = RunHealth(section, lambda batch: [f"books:{batch}"])
    with caplog.at_level(logging.WARNING, "keras_gpt3"):
        spikes = watch(health, [3.0, 3.1, 2.9, float("nan"), 3.0], {3})
    assert not any(spikes)
    assert (
        "Update 4 was skipped: loss nan, gradient norm 1.0. Batch 3 holds the "
        "contexts ['books:3']." in caplog.text
    )


def test_only_skipped_updates_in_a_row_end_a_run():
    section = HealthSection(max_skipped_in_a_row=2)
    watch(RunHealth(section, str), [3.0] * 6, {0, 2, 4})
    message = (
        "Updates must be finite. Received: 2 in a row that were not, up to "
        "step 4. The log names their batches: list them in data.skip_batches "
        "and resume, or begin another run with a lower learning rate."
    )
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"):
        watch(RunHealth(section, str), [3.0] * 6, {0, 2, 3})


# === Run state ===


def slow_batches(skipped, number):
    """The batches of the first steps, counted out."""
    return [b for b in range(100) if b not in skipped][:number]


@pytest.mark.parametrize("skipped", [(), (0,), (0, 1, 5), (2, 3, 4, 9), (40,)])
def test_steps_take_the_batches_that_are_not_skipped(skipped):
    state = RunState(skip_batches=skipped)
    assert state.last_batch is None
    batches = []
    for step in range(10):
        assert state.step == step
        assert state.batch not in skipped
        state.advance(tokens=8, applied=True)
        batches.append(state.last_batch)
    assert batches == slow_batches(skipped, 10)
    assert (state.step, state.tokens_seen) == (10, 80)


def test_batches_of_the_past_stay_as_they_were():
    state = RunState()
    for _ in range(3):
        state.advance(8, True)
    state.skip(range(1, 5))
    assert state.skip_batches == {3, 4}
    assert (state.batch, state.last_batch, state.step) == (5, 2, 3)


def test_updates_that_were_not_made_are_counted():
    state = RunState()
    in_a_row = []
    for applied in (True, False, False, True, False):
        state.advance(8, applied)
        in_a_row.append(state.skipped_in_a_row)
    assert in_a_row == [0, 1, 2, 0, 1]
    assert state.skipped_updates == 3
    # They were trained on all the same: their batches are used up.
    assert (state.batch, state.tokens_seen) == (5, 40)


def test_json_takes_a_state_and_gives_it_back():
    state = RunState(skip_batches={9, 2, 4}, rollbacks=1)
    state.advance(np.int64(8).item(), False)
    metadata = json.loads(json.dumps(state.as_metadata()))
    assert metadata["skip_batches"] == [2, 4, 9]
    assert RunState(**metadata) == state


def test_a_restored_state_does_not_share_its_batches():
    skipped = {3}
    RunState(skip_batches=skipped).skip([7])
    assert skipped == {3}
