import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.training.step.loss_weights import loss_weights
from keras_gpt3.training.step.loss_weights import normalized_loss_weights


@pytest.mark.parametrize("dtype", ["float32", "bool", "int32"])
def test_weights_of_rows_and_tokens_become_weights_of_tokens(dtype):
    y = tf.zeros((2, 3), "int32")
    rows = np.array([1, 0], dtype)
    tokens = np.array([[1, 0, 1], [0, 0, 1]], dtype)
    for weights, expected in (
        (None, np.ones((2, 3))),
        (tf.constant(rows), [[1, 1, 1], [0, 0, 0]]),
        (tf.constant(rows[:, None]), [[1, 1, 1], [0, 0, 0]]),
        (tf.constant(tokens), tokens.astype("float32")),
    ):
        received = loss_weights(y, weights)
        assert received.dtype == "float32"
        np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("kind", ["tokens", "rows", "none", "zeros"])
def test_shares_are_those_of_the_global_batch(kind, replicas):
    y = np.zeros((4, 3), "int32")
    weights = {
        "tokens": np.arange(12.0).reshape(4, 3),
        "rows": np.arange(4.0),
        "none": None,
        "zeros": np.zeros((4, 3)),
    }[kind]
    full = np.ones((4, 3)) if weights is None else weights
    full = np.broadcast_to(full.T, (3, 4)).T
    expected = full / max(full.sum(), 1)
    strategy = mirrored_strategy(replicas)

    def part(values, index):
        return tf.gather(np.stack(np.split(values, replicas)), index)

    @tf.function
    def step(index):
        mine = None if weights is None else part(weights, index)
        return normalized_loss_weights(part(y, index), mine)

    indices = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group)
    )
    shares, total = map(
        strategy.experimental_local_results,
        strategy.run(step, args=(indices,)),
    )
    # Float32, of a sum of 12 numbers.
    np.testing.assert_allclose(np.concatenate(shares), expected, rtol=1e-6)
    assert [float(t) for t in total] == [full.sum()] * replicas
