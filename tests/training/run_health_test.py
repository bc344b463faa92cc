import logging
import re

import pytest

from keras_gpt3.training.recipe.pretraining_config import HealthSection
from keras_gpt3.training.run.state import RunHealth
from keras_gpt3.training.run.state import RunState


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
