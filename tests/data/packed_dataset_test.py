"""Tests of training batches, against the corpus cut by hand."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.data import packed_dataset


def contexts_of(shards, sequence_length):
    """Return all (inputs, labels) of a corpus, in order, cut by hand."""
    tokens = shards.read([0], shards.num_tokens)[0].tolist()
    starts = range(0, len(tokens) - sequence_length, sequence_length)
    return [
        (
            tuple(tokens[start : start + sequence_length]),
            tuple(tokens[start + 1 : start + 1 + sequence_length]),
        )
        for start in starts
    ]


def rows_of(dataset):
    return [
        (tuple(row), tuple(label_row))
        for inputs, labels in dataset.as_numpy_iterator()
        for row, label_row in zip(
            inputs["token_ids"].tolist(), labels.tolist(), strict=True
        )
    ]


@pytest.mark.parametrize(
    ("num_tokens", "sequence_length"),
    [(100, 1), (100, 7), (101, 50), (128, 16), (129, 16), (255, 60)],
)
def test_every_position_is_seen_once_an_epoch(
    make_shards, num_tokens, sequence_length
):
    shards = make_shards(num_tokens)
    contexts = contexts_of(shards, sequence_length)
    rows = rows_of(
        packed_dataset(shards, sequence_length, 1).take(3 * len(contexts))
    )
    for epoch in range(3):
        seen = rows[epoch * len(contexts) : (epoch + 1) * len(contexts)]
        assert sorted(seen) == sorted(contexts)


@pytest.mark.parametrize("batch_size", [1, 3, 16, 40])
def test_batches_cut_one_order_whatever_their_size(make_shards, batch_size):
    shards = make_shards(200)
    rows = rows_of(packed_dataset(shards, 12, 1).take(120))
    batched = packed_dataset(shards, 12, batch_size).take(120 // batch_size)
    assert rows_of(batched) == rows[: 120 // batch_size * batch_size]


@pytest.mark.parametrize("start_step", [1, 5, 40])
def test_start_step_equals_skipping(make_shards, start_step):
    shards = make_shards(200)
    skipped = packed_dataset(shards, 7, 4, seed=3).skip(start_step).take(9)
    started = packed_dataset(shards, 7, 4, seed=3, start_step=start_step)
    assert rows_of(started.take(9)) == rows_of(skipped)


def test_a_late_step_is_reached_at_once(make_shards):
    """Skipping as many batches would take days."""
    dataset = packed_dataset(make_shards(200), 7, 4, start_step=10**12)
    assert len(rows_of(dataset.take(2))) == 8


def test_iterating_again_starts_again_at_the_start_step(make_shards):
    dataset = packed_dataset(make_shards(200), 7, 4, start_step=5).take(3)
    assert rows_of(dataset) == rows_of(dataset)


def test_seeds_give_other_orders(make_shards):
    shards = make_shards(200)
    one, two = (packed_dataset(shards, 7, 4, seed=seed) for seed in (0, 1))
    assert rows_of(one.take(3)) != rows_of(two.take(3))


def test_elements_have_the_shapes_and_types_that_fit_takes(make_shards):
    dataset = packed_dataset(make_shards(200), 7, 4)
    inputs, labels = dataset.element_spec
    assert inputs["token_ids"] == labels == tf.TensorSpec((4, 7), tf.int32)
    assert inputs["padding_mask"] == tf.TensorSpec((4, 7), tf.bool)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    inputs, _ = next(iter(dataset))
    assert np.all(inputs["padding_mask"])


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("batch_size", [4, 9, 1000])
def test_a_finite_dataset_keeps_its_last_partial_batch(
    make_shards, epochs, batch_size
):
    shards = make_shards(200)
    dataset = packed_dataset(shards, 7, batch_size, epochs=epochs)
    contexts = contexts_of(shards, 7)
    assert sorted(rows_of(dataset)) == sorted(contexts * epochs)
    sizes = [len(labels) for _, labels in dataset]
    assert set(sizes[:-1]) <= {batch_size}
    assert dataset.cardinality() == len(sizes)
    assert dataset.element_spec[1].shape.as_list() == [None, 7]


def test_a_finite_dataset_resumes_as_an_endless_one_does(make_shards):
    shards = make_shards(200)
    rest = packed_dataset(shards, 7, 4, start_step=2, epochs=1)
    assert rows_of(rest) == rows_of(packed_dataset(shards, 7, 4, epochs=1))[8:]
    done = packed_dataset(shards, 7, 4, start_step=100, epochs=1)
    assert rows_of(done) == []


@pytest.mark.parametrize("folder_type", [str, lambda folder: folder])
def test_a_folder_will_do_for_shards(make_shards, folder_type):
    shards = make_shards(200)
    dataset = packed_dataset(folder_type(shards.folder), 7, 4)
    assert rows_of(dataset.take(3)) == rows_of(
        packed_dataset(shards, 7, 4).take(3)
    )


@pytest.mark.parametrize("epochs", [None, 1])
def test_replicas_share_the_rows_of_a_batch(make_shards, epochs):
    dataset = packed_dataset(make_shards(200), 7, 4, epochs=epochs)
    strategy = tf.distribute.MirroredStrategy(
        [device.name for device in tf.config.list_logical_devices("CPU")],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
    distributed = strategy.experimental_distribute_dataset(dataset)
    rows = [
        tuple(row)
        for inputs, _ in itertools.islice(distributed, 3)
        for part in strategy.experimental_local_results(inputs["token_ids"])
        for row in part.numpy().tolist()
    ]
    assert rows == [row for row, _ in rows_of(dataset.take(3))]


def test_the_dataset_outlives_the_shards_and_a_cleared_session(make_shards):
    iterator = iter(packed_dataset(make_shards(200), 7, 4))
    first, _ = next(iterator)
    keras.utils.clear_session()
    rest = [next(iterator) for _ in range(20)]
    assert len(rest) == 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence_length", 0),
        ("batch_size", 0),
        ("seed", -1),
        ("start_step", -1),
        ("epochs", 0),
    ],
)
def test_a_number_out_of_range_is_named(make_shards, name, value):
    numbers = {"sequence_length": 7, "batch_size": 4} | {name: value}
    with pytest.raises(ValueError, match=f"Received: {name}={value}. Pass"):
        packed_dataset(make_shards(100), **numbers)


def test_a_corpus_shorter_than_a_context_is_an_error(make_shards):
    with pytest.raises(ValueError, match="at least one context"):
        packed_dataset(make_shards(100), 100, 4)


def test_a_folder_without_shards_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold manifest.json"):
        packed_dataset(tmp_path, 7, 4)
