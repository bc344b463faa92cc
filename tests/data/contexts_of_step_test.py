"""Tests of naming the contexts of a batch, against the batches."""

import numpy as np
import pytest

from keras_gpt3.data import BatchRamp
from keras_gpt3.data import Mixture
from keras_gpt3.data import contexts_of_step
from keras_gpt3.data import packed_dataset


@pytest.mark.parametrize("is_mixture", [False, True])
@pytest.mark.parametrize("batch_size", [5, BatchRamp(8, 2, 40, multiple=2)])
def test_the_contexts_are_those_of_the_batch(
    make_shards, batch_size, is_mixture
):
    shards = make_shards(200)
    if is_mixture:
        shards = Mixture({"a": shards, "b": make_shards(99)}, {"a": 1, "b": 2})
    dataset = packed_dataset(shards, 7, batch_size, seed=4).take(9)
    for step, (inputs, _) in enumerate(dataset):
        contexts = contexts_of_step(shards, 7, batch_size, seed=4, step=step)
        assert contexts.dtype == np.int64
        np.testing.assert_array_equal(
            shards.read_contexts(contexts, 7)[:, :-1], inputs["token_ids"]
        )


@pytest.mark.parametrize("epochs", [None, 2])
@pytest.mark.parametrize("start_step", [0, 3, 4, 6])
@pytest.mark.parametrize("skip_steps", [(4,), [0, 3, 4, 5, 9], {8, 1}, (99,)])
def test_skipped_batches_never_come_and_the_others_keep_their_step(
    make_shards, epochs, start_step, skip_steps
):
    shards = make_shards(200)
    options = {"start_step": start_step, "skip_steps": skip_steps}
    dataset = packed_dataset(shards, 7, 4, epochs=epochs, **options)
    # There are 28 contexts: 14 batches in 2 epochs.
    kept = [n for n in range(start_step, 14) if n not in skip_steps]
    if epochs:
        assert dataset.cardinality() == len(kept)
    for (_, labels), step in zip(dataset, kept, strict=epochs is not None):
        contexts = contexts_of_step(shards, 7, 4, seed=0, step=step)
        tokens = shards.read_contexts(contexts, 7)
        np.testing.assert_array_equal(labels, tokens[:, 1:])


def test_a_late_step_is_named_at_once(make_shards):
    contexts = contexts_of_step(make_shards(200), 7, 4, seed=0, step=10**12)
    assert contexts.shape == (4,)


@pytest.mark.parametrize(
    ("name", "value"),
    [("sequence_length", 0), ("batch_size", 0), ("seed", -1), ("step", -1)],
)
def test_a_number_out_of_range_is_named(make_shards, name, value):
    numbers = {"sequence_length": 7, "batch_size": 4, "seed": 0, "step": 0}
    with pytest.raises(ValueError, match=f"Received: {name}={value}. Pass"):
        contexts_of_step(make_shards(100), **numbers | {name: value})
