import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops import op_compilation
from keras_gpt3.training.step.replica_gradients import NUM_SUMS
from keras_gpt3.training.step.replica_gradients import replica_gradients
from tests.small_gpt3 import small_batch
from tests.training.numpy_gradients import check_step
from tests.training.small_training import new_model

SCALE = 8.0


def batch_with_shares():
    x, y = small_batch()
    shares = np.random.default_rng(2).uniform(size=y.shape)
    return x, y, (shares / shares.sum()).astype("float32")


def compute(model, batch, **arguments):
    function = tf.function(replica_gradients(model, **arguments))
    with op_compilation(False):
        sums, gradients, logits = function(*batch, tf.constant(SCALE))
    gradients = [tf.convert_to_tensor(g).numpy() for g in gradients]
    return sums.numpy(), gradients, logits


@pytest.mark.parametrize("pattern", ["dense", "banded"])
@pytest.mark.parametrize(
    ("arguments", "dtype", "tolerance"),
    [
        # Float32 sums, and bfloat16, which rounds products to 1/256.
        ({}, "float32", 1e-5),
        ({}, "mixed_bfloat16", 0.03),
        ({"micro_batch_size": 1}, "float32", 1e-5),
        ({"micro_batch_size": 1}, "mixed_bfloat16", 0.03),
        ({"micro_batch_size": 2, "jit_compile": True}, "float32", 1e-5),
        ({"weighted_metrics": ["accuracy"]}, "float32", 1e-5),
    ],
)
@pytest.mark.quick_cases(4)
def test_sums_and_gradients_are_those_of_plain_numpy(
    arguments, dtype, tolerance, pattern
):
    batch = batch_with_shares()
    model = new_model(1, "momentum", (pattern,), lambda: arguments, dtype=dtype)
    sums, gradients, logits = compute(model, batch)
    gradients = [gradient / SCALE for gradient in gradients]
    check_step(model, batch, sums, gradients, tolerance)
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
