import pytest
import tensorflow as tf

from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.training.step.loss_weights import sum_over_replicas


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
