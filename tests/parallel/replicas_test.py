import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.parallel.replicas import check_batch_divides
from keras_gpt3.parallel.replicas import sum_over_replicas

pytestmark = pytest.mark.backend("tensorflow", reason="`tf.distribute`")


def dataset_of(batch_size, drop_remainder=True):
    """As `packed_dataset` gives: a batch size that is known, or not."""
    rows = np.zeros((6, 2), "int32")
    x = {"token_ids": rows, "padding_mask": rows == 0}
    dataset = tf.data.Dataset.from_tensor_slices((x, rows))
    return dataset.batch(batch_size, drop_remainder)


def all_reduced(strategy, length):
    """All replicas add their numbers in an all-reduce, as gradients are."""

    @tf.function
    def run():
        def replica():
            context = tf.distribute.get_replica_context()
            index = context.replica_id_in_sync_group
            numbers = tf.cast(index, "float32") + tf.range(float(length))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, numbers)

        return strategy.run(replica)

    return strategy.experimental_local_results(run())


@pytest.mark.parametrize("num_replicas", [1, 2])
def test_a_strategy_has_the_replicas_asked_for(num_replicas):
    strategy = mirrored_strategy(num_replicas)
    assert strategy.num_replicas_in_sync == num_replicas


def test_a_strategy_takes_all_devices_by_default():
    devices = tf.config.list_logical_devices("CPU")
    assert mirrored_strategy().num_replicas_in_sync == len(devices)


def test_the_number_of_replicas_can_be_given_for_cpus_alone():
    assert mirrored_strategy(cpu_replicas=1).num_replicas_in_sync == 1
    strategy = mirrored_strategy(num_replicas=2, cpu_replicas=1)
    assert strategy.num_replicas_in_sync == 2


@pytest.mark.parametrize("name", ["num_replicas", "cpu_replicas"])
def test_no_replica_raises(name):
    message = (
        f"{name} must be at least 1. Received: {name}=0. Leave it out to use "
        "every device."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        mirrored_strategy(**{name: 0})


def test_more_replicas_than_devices_raise():
    devices = len(tf.config.list_logical_devices("CPU"))
    message = (
        "num_replicas must be at most the number of CPU devices. Received: "
        f"num_replicas={devices + 1}, devices={devices}. Use fewer "
        "replicas; CPU devices can only "
        "be split before TensorFlow first uses them."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        mirrored_strategy(devices + 1)


def test_a_second_strategy_may_meet_other_shapes():
    for length in (3, 5):
        results = all_reduced(mirrored_strategy(2), length)
        for result in results:
            np.testing.assert_array_equal(result, 2 * np.arange(length) + 1)


def test_a_batch_that_the_replicas_do_not_divide_raises():
    message = (
        "The number of replicas must divide the batch size. Received: "
        "batch_size=3, num_replicas=2. Use a batch size of 4, or fewer "
        "replicas."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_batch_divides(dataset_of(3), num_replicas=2)


@pytest.mark.parametrize(
    "make_data",
    [
        lambda: dataset_of(2),
        lambda: dataset_of(3, drop_remainder=False),
        lambda: tf.data.Dataset.range(3),
        lambda: np.zeros((3, 2)),
        lambda: ["three", "of", "them"],
        lambda: None,
    ],
    ids=["even", "unknown", "scalars", "array", "strings", "none"],
)
def test_what_can_be_divided_or_is_no_batch_passes(make_data):
    check_batch_divides(make_data(), num_replicas=2)


# === Replica sum ===


def summed(strategy, make_tensors):
    """What each replica gets, as numbers and nested as it came."""

    @tf.function
    def step():
        replica = tf.distribute.get_replica_context()
        number = tf.cast(replica.replica_id_in_sync_group, "float32")
        return sum_over_replicas(make_tensors(number))

    results = strategy.run(step)
    return tf.nest.map_structure(
        lambda x: [float(v) for v in strategy.experimental_local_results(x)],
        results,
    )


@pytest.mark.parametrize(
    "replicas, one, two", [(1, [1], [3]), (2, [3, 3], [7, 7])]
)
def test_every_replica_gets_the_sums(replicas, one, two):
    strategy = mirrored_strategy(replicas)
    # Of 1 and 2, and of 3 and 4.
    assert summed(strategy, lambda n: n + 1) == one
    assert summed(strategy, lambda n: [n + 1, n + 3]) == [one, two]


def test_without_a_strategy_tensors_stay_what_they_are():
    tensor = tf.constant(1.0)
    assert sum_over_replicas(tensor) is tensor


def test_what_lies_on_several_devices_is_summed_there():
    strategy = mirrored_strategy(2)
    devices = []

    @tf.function
    def step():
        replica = tf.distribute.get_replica_context()
        number = replica.replica_id_in_sync_group
        tensors = []
        for stage in (0, 1):
            index = 2 * stage + int(tf.get_static_value(number))
            with tf.device(f"CPU:{index}"):
                tensors.append(10.0 * stage + tf.cast(number, "float32"))
        sums = sum_over_replicas(tensors)
        devices.append([x.device[-5:] for x in sums])
        return sums

    first, second = map(strategy.experimental_local_results, strategy.run(step))
    assert [float(x) for x in (*first, *second)] == [1, 1, 21, 21]
    assert sorted(devices) == [["CPU:0", "CPU:2"], ["CPU:1", "CPU:3"]]
