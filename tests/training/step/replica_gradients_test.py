import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops import op_compilation
from keras_gpt3.training.step.replica_gradients import NUM_SUMS
from keras_gpt3.training.step.replica_gradients import replica_gradients
from tests.small_gpt3 import small_batch
from tests.training.small_training import new_model

SCALE = 8.0


def slow_gradients(model, x, y, shares):
    """Loss, right guesses and gradients through the logits of all tokens."""
    with op_compilation(False), tf.GradientTape() as tape:
        logits = model(x, training=True)
        chosen = tf.one_hot(y, logits.shape[-1])
        losses = -tf.reduce_sum(tf.nn.log_softmax(logits) * chosen, -1)
        loss = tf.reduce_sum(losses * shares)
    gradients = tape.gradient(loss, model.trainable_variables)
    right = logits.numpy().argmax(-1) == y
    sums = [loss.numpy(), (right * shares.numpy()).sum()]
    return sums, [tf.convert_to_tensor(g).numpy() for g in gradients]


def batch_with_shares():
    x, y = small_batch()
    shares = np.random.default_rng(2).uniform(size=y.shape)
    return x, y, tf.constant(shares / shares.sum(), "float32")


def compute(model, batch, **arguments):
    function = tf.function(replica_gradients(model, **arguments))
    with op_compilation(False):
        sums, gradients, logits = function(*batch, tf.constant(SCALE))
    gradients = [tf.convert_to_tensor(g).numpy() for g in gradients]
    return sums.numpy(), gradients, logits


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"micro_batch_size": 1},
        {"micro_batch_size": 2, "jit_compile": True},
        {"weighted_metrics": ["accuracy"]},
    ],
    ids=["chunked", "micro-batches", "compiled", "whole"],
)
@pytest.mark.quick_cases(2)
def test_sums_and_gradients_are_those_of_the_slow_pass(arguments):
    batch = batch_with_shares()
    model = new_model(1, "momentum", ("dense",), lambda: arguments)
    expected, expected_gradients = slow_gradients(model, *batch)
    sums, gradients, logits = compute(model, batch)
    np.testing.assert_allclose(sums, expected, rtol=1e-5)
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        # Each differs by at most 1e-5 of the largest: float32 sums.
        error = np.abs(gradient / SCALE - other).max()
        assert error <= 1e-5 * max(np.abs(g).max() for g in expected_gradients)
    assert (logits is not None) == ("weighted_metrics" in arguments)


@pytest.mark.parametrize("micro_batch_size, micro_batches", [(None, 1), (1, 4)])
def test_an_observer_sees_each_micro_batch_and_adds_to_its_sums(
    micro_batch_size, micro_batches
):
    def observe(function):
        def observed(x, y, weights, gradient_scale):
            sums, *rest = function(x, y, weights, gradient_scale)
            rows = tf.cast(tf.shape(y)[0], "float32")
            return tf.concat([sums, [1.0, rows]], 0), *rest

        return observed

    batch = batch_with_shares()
    model = new_model(
        1,
        "momentum",
        ("dense",),
        lambda: {"micro_batch_size": micro_batch_size},
    )
    plain, _, _ = compute(model, batch)
    sums, _, _ = compute(model, batch, observe=observe, num_sums=NUM_SUMS + 2)
    np.testing.assert_allclose(sums, [*plain, micro_batches, 4], rtol=1e-6)
