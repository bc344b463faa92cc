import json

import numpy as np
import pytest

from keras_gpt3.training.run.state import RunState


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
