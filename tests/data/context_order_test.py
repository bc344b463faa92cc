import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.data import BatchRamp
from keras_gpt3.data import Mixture
from keras_gpt3.data import contexts_of_step
from keras_gpt3.data import packed_dataset
from keras_gpt3.data.context_order import context_order


def epoch_order(epoch, num_contexts, seed=0):
    samples = tf.range(num_contexts, dtype=tf.int64) + epoch * num_contexts
    return context_order(samples, num_contexts, seed).numpy()


@pytest.mark.parametrize(
    "num_contexts", [1, 2, 3, 7, 16, 100, 257, 60000, 2**16 + 1]
)
def test_every_epoch_is_a_permutation(num_contexts):
    for epoch in (0, 1, 10**6):
        order = np.sort(epoch_order(epoch, num_contexts))
        np.testing.assert_array_equal(order, np.arange(num_contexts))


def test_samples_of_several_epochs_may_be_asked_for_together():
    samples = tf.range(35, dtype=tf.int64)
    expected = np.concatenate([epoch_order(epoch, 7) for epoch in range(5)])
    np.testing.assert_array_equal(context_order(samples, 7, 0), expected)


def test_the_order_is_the_same_in_every_process_and_release():
    assert epoch_order(0, 10).tolist() == GOLDEN[0]
    assert epoch_order(3, 10, seed=12345).tolist() == GOLDEN[1]


def test_a_small_corpus_has_an_order_of_its_own_for_each_epoch_and_seed():
    samples = tf.range(300 * 7, dtype=tf.int64)
    orders = [context_order(samples, 7, seed).numpy() for seed in range(4)]
    # The cipher has 2**24 keys here, and 7 contexts have 5040 orders: of 1200
    # draws 1067 differ on average.
    distinct = np.unique(np.reshape(orders, (1200, 7)), axis=0)
    assert 1030 < len(distinct) < 1100


@pytest.mark.parametrize("num_contexts", [1000, 60000])
def test_orders_are_unrelated_to_each_other_and_to_the_corpus(num_contexts):
    orders = [np.arange(num_contexts)]
    orders += [epoch_order(epoch, num_contexts) for epoch in range(8)]
    orders += [epoch_order(0, num_contexts, seed=seed) for seed in (1, 256)]
    correlations = np.corrcoef(orders)[np.triu_indices(len(orders), 1)]
    # Random permutations correlate by 1/sqrt(n); 55 pairs stay below 4 of it.
    assert np.abs(correlations).max() < 4 / np.sqrt(num_contexts)


def test_seeds_may_be_numpy_integers():
    order = epoch_order(0, 10, seed=np.int64(7))
    np.testing.assert_array_equal(order, epoch_order(0, 10, seed=7))


# Changing these changes the data order of everybody's running training.
GOLDEN = ([3, 4, 5, 0, 7, 1, 9, 2, 8, 6], [5, 4, 9, 2, 7, 0, 1, 3, 8, 6])


# === Contexts of step ===


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
@pytest.mark.quick_cases(12)
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
