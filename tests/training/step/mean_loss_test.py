import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.training.step.mean_loss import loss_weights
from keras_gpt3.training.step.mean_loss import normalized_loss_weights
from keras_gpt3.training.step.mean_loss import sums_from_logits
from keras_gpt3.training.step.mean_loss import unpack_batch

# === Loss weights ===


@pytest.mark.parametrize("dtype", ["float32", "bool", "int32"])
def test_weights_of_rows_and_tokens_become_weights_of_tokens(dtype):
    y = np.zeros((2, 3), "int32")
    rows = np.array([1, 0], dtype)
    tokens = np.array([[1, 0, 1], [0, 0, 1]], dtype)
    for weights, expected in (
        (None, np.ones((2, 3))),
        (rows, [[1, 1, 1], [0, 0, 0]]),
        (rows[:, None], [[1, 1, 1], [0, 0, 0]]),
        (tokens, tokens.astype("float32")),
    ):
        received = loss_weights(y, weights)
        assert keras.backend.standardize_dtype(received.dtype) == "float32"
        np.testing.assert_array_equal(received, expected)


@pytest.mark.backend("tensorflow", reason="`tf.distribute`")
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


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_sums_are_those_of_numpy(dtype):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(2, 3, 5)).astype("float32")
    weights = generator.uniform(size=(2, 3)).astype("float32")
    y = np.where(weights < 0.5, logits.argmax(-1), 4).astype(dtype)
    chosen = np.take_along_axis(logits, y[..., None].astype(int), -1)[..., 0]
    losses = np.log(np.exp(logits).sum(-1)) - chosen
    right = logits.argmax(-1) == y
    expected = [(losses * weights).sum(), (right * weights).sum()]
    received = sums_from_logits(
        *map(keras.ops.convert_to_tensor, (logits, y, weights))
    )
    # Float32, of sums of 6 numbers.
    np.testing.assert_allclose(received, expected, rtol=1e-6)


# === Labelled batch ===


@pytest.mark.parametrize("weights", [(), ("weights",)])
def test_a_batch_with_and_without_weights_is_split(weights):
    x, y, sample_weight = unpack_batch(("x", "y", *weights))
    assert (x, y) == ("x", "y")
    assert sample_weight == (weights[0] if weights else None)


def test_a_batch_without_labels_raises():
    message = (
        "y must be given with token ids. Received: y=None. Pass the ids "
        "shifted by one, as packed_dataset returns them."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        unpack_batch(("x",))
