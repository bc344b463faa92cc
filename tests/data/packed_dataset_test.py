"""Tests of training batches, against the corpus cut by hand."""

import functools
import importlib
import itertools
import re
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.data import BatchRamp
from keras_gpt3.data import Mixture
from keras_gpt3.data import contexts_of_step
from keras_gpt3.data import packed_dataset

# The function has its module's name.
module = importlib.import_module("keras_gpt3.data.packed_dataset")
RAMP = BatchRamp(8, 2, 40, multiple=2)


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


@pytest.mark.parametrize("batch_size", [4, RAMP])
@pytest.mark.parametrize("start_step", [1, 5, 40])
def test_start_step_equals_skipping(make_shards, batch_size, start_step):
    data = functools.partial(
        packed_dataset, make_shards(200), 7, batch_size, seed=3
    )
    skipped = data().skip(start_step).take(9)
    assert rows_of(data(start_step=start_step).take(9)) == rows_of(skipped)


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


@pytest.mark.parametrize("is_mixture", [False, True])
def test_segments_are_the_documents_of_a_context(make_shards, is_mixture):
    shards = make_shards(203)
    if is_mixture:
        shards = Mixture({"a": shards, "b": make_shards(99)}, {"a": 1, "b": 2})
    masked, plain = (
        packed_dataset(shards, 23, 4, attend_across_documents=across).take(9)
        for across in (False, True)
    )
    assert rows_of(masked) == rows_of(plain)
    spec = masked.element_spec[0]["segment_ids"]
    assert spec == tf.TensorSpec((4, 23), tf.int32)
    for inputs, _ in masked.as_numpy_iterator():
        expected = [
            [1 + row[:place].count(shards.end_token_id) for place in range(23)]
            for row in inputs["token_ids"].tolist()
        ]
        assert inputs["segment_ids"].tolist() == expected
        assert inputs["segment_ids"].max() > 2


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("batch_size", [4, 9, 1000, RAMP])
def test_a_finite_dataset_keeps_its_last_partial_batch(
    make_shards, epochs, batch_size
):
    shards = make_shards(200)
    dataset = packed_dataset(shards, 7, batch_size, epochs=epochs)
    contexts = contexts_of(shards, 7)
    assert sorted(rows_of(dataset)) == sorted(contexts * epochs)
    sizes = [len(labels) for _, labels in dataset]
    ramp = RAMP if batch_size is RAMP else BatchRamp(batch_size, batch_size, 0)
    assert sizes[:-1] == [ramp.size_at(step) for step in range(len(sizes) - 1)]
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
        ["CPU:0", "CPU:1"],
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


# === Ramps and parts ===


def test_a_ramp_cuts_the_same_order_into_batches_that_grow(make_shards):
    shards = make_shards(200)
    dataset = packed_dataset(shards, 7, RAMP).take(12)
    sizes = [RAMP.size_at(step) for step in range(12)]
    assert [len(labels) for _, labels in dataset] == sizes
    assert (sizes[0], sizes[-1]) == (2, 8)
    assert rows_of(dataset) == rows_of(
        packed_dataset(shards, 7, 1).take(sum(sizes))
    )
    # One trace serves all sizes.
    assert dataset.element_spec[1].shape.as_list() == [None, 7]


@pytest.mark.parametrize("epochs", [None, 2])
@pytest.mark.parametrize("batch_size", [8, BatchRamp(16, 4, 40, multiple=4)])
@pytest.mark.parametrize("num_parts", [2, 4])
def test_parts_join_to_the_batches(make_shards, epochs, batch_size, num_parts):
    options = {"epochs": epochs, "skip_steps": [1, 3]}
    data = functools.partial(
        packed_dataset, make_shards(200), 7, batch_size, **options
    )
    whole, parts = data().take(9), data(num_parts=num_parts).take(9 * num_parts)
    assert rows_of(parts) == rows_of(whole)
    sizes = np.reshape([len(y) for _, y in parts], (-1, num_parts))
    assert sizes.sum(axis=1).tolist() == [len(y) for _, y in whole]
    assert np.all(np.ptp(sizes, axis=1) == 0)


def test_parts_of_the_last_batch_differ_by_one_row_and_may_be_empty(
    make_shards,
):
    shards = make_shards(72)  # 10 contexts.
    dataset = packed_dataset(shards, 7, 8, epochs=1, num_parts=4)
    assert [len(labels) for _, labels in dataset] == [2, 2, 2, 2, 0, 1, 0, 1]
    assert rows_of(dataset) == rows_of(packed_dataset(shards, 7, 8, epochs=1))


def test_a_worker_reads_its_own_parts_only_and_in_turn(make_shards):
    shards, seen = make_shards(200), []
    read = shards.read_contexts
    shards.read_contexts = lambda ids, n: seen.extend(ids) or read(ids, n)
    options = {"epochs": 1, "num_parts": 4, "parts": (3, 1)}
    rows = rows_of(packed_dataset(shards, 7, 4, **options))
    mine = [
        contexts_of_step(shards, 7, 4, 0, step)[part]
        for step in range(28 // 4)
        for part in (3, 1)
    ]
    assert rows == [contexts_of(shards, 7)[context] for context in mine]
    assert sorted(seen) == sorted(mine)


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
        ("num_parts", 0),
        ("parts", [-1]),
        ("skip_steps", [-1]),
    ],
)
def test_a_number_out_of_range_is_named(make_shards, name, value):
    numbers = {"sequence_length": 7, "batch_size": 4} | {name: value}
    received = f"{name}[0]=-1" if isinstance(value, list) else f"{name}={value}"
    message = f"Received: {re.escape(received)}. Pass"
    with pytest.raises(ValueError, match=message):
        packed_dataset(make_shards(100), **numbers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 4}, "batch_size must be divisible by num_parts. Rec"),
        ({"batch_size": 4}, "batch_size=4, num_parts=3. Pass a multiple of 3."),
        ({"batch_size": RAMP}, "batch_size.multiple=2, num_parts=3. Pass"),
        ({"parts": [3]}, "below num_parts, at least one. Received: parts=[3]"),
        ({"parts": [1, 1]}, "parts=[1, 1], num_parts=3. Pass None for all"),
        ({"parts": []}, "parts must be different numbers below num_parts, at"),
    ],
)
def test_parts_that_do_not_fit_are_an_error(make_shards, arguments, message):
    arguments = {"batch_size": 6, "num_parts": 3} | arguments
    with pytest.raises(ValueError, match=re.escape(message)):
        packed_dataset(make_shards(100), 7, **arguments)


def test_a_mixture_has_no_epochs_of_its_own(make_shards):
    mixture = Mixture({"a": make_shards(100)}, {"a": 1})
    message = "epochs must be None with a mixture, .* epochs=2. Count batches"
    with pytest.raises(ValueError, match=message):
        packed_dataset(mixture, 7, 4, epochs=2)


def test_a_corpus_shorter_than_a_context_is_an_error(make_shards):
    with pytest.raises(ValueError, match="at least one context"):
        packed_dataset(make_shards(100), 100, 4)


def test_a_folder_without_shards_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold manifest.json"):
        packed_dataset(tmp_path, 7, 4)


# === Exit ===


def test_the_exit_waits_until_nothing_is_read_any_more(make_shards):
    shards, under_way = make_shards(200), []

    def read_slowly(contexts, sequence_length):
        under_way.append(True)
        time.sleep(0.01)
        under_way.pop()
        return shards.read(contexts * sequence_length, sequence_length + 1)

    shards.read_contexts = read_slowly
    iterator = iter(packed_dataset(shards, 7, 4))
    next(iterator)
    module._wait_for_calm()
    assert not under_way
    # The buffers are full, and stay so until somebody takes a batch.
    time.sleep(0.03)
    assert not under_way
    next(iterator)
