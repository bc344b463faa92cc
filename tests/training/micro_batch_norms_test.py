import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training.step.monitored_step import NUM_NORM_SUMS
from keras_gpt3.training.step.monitored_step import with_micro_batch_norms

KERNEL = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
ROWS = np.random.default_rng(1).normal(size=(3, 2)).astype("float32")
PLACES = [1, 4, 1]  # One twice, as a token that comes twice.


def micro_batch(x, y, weights, gradient_scale):
    """As `chunked_gradients`: weights and scale are factors of gradients."""
    del x, y
    factor = tf.reduce_sum(weights) * gradient_scale
    rows = tf.IndexedSlices(ROWS * factor, tf.constant(PLACES), (5, 2))
    return tf.constant([7.0, 8.0]), [KERNEL * factor, rows], "logits"


def observe(weights, gradient_scale):
    return with_micro_batch_norms(micro_batch)(
        None, None, tf.constant(weights), tf.constant(gradient_scale)
    )


def squared_norm_of_mean():
    """Of the gradient for weights that sum to 1, densely, in float64."""
    dense = np.zeros((5, 2))
    for place, row in zip(PLACES, ROWS.astype("float64"), strict=True):
        dense[place] += row
    return (KERNEL.astype("float64") ** 2).sum() + (dense**2).sum()


@pytest.mark.parametrize("gradient_scale", [1.0, 2.0**15])
@pytest.mark.parametrize("weights", [[[0.1, 0.2]], [[1.0, 0.0]], [[3.0, 5.0]]])
def test_the_norm_is_that_of_the_micro_batch_s_own_mean(
    weights, gradient_scale
):
    sums, _, _ = observe(weights, gradient_scale)
    assert sums.shape == (2 + NUM_NORM_SUMS,)
    expected = [7, 8, squared_norm_of_mean(), 1, 1 / np.sum(weights)]
    # Float32 sums over some 20 numbers.
    np.testing.assert_allclose(sums, expected, rtol=1e-6)


def test_a_micro_batch_without_weight_adds_zeros():
    sums, _, _ = observe([[0.0, 0.0]], 1024.0)
    np.testing.assert_array_equal(sums, [7, 8, 0, 0, 0])


def test_gradients_and_logits_pass_through():
    _, (kernel, rows), logits = observe([[0.5]], 4.0)
    np.testing.assert_array_equal(kernel, 2 * KERNEL)
    np.testing.assert_array_equal(rows.values, 2 * ROWS)
    assert logits == "logits"


def test_half_precision_gradients_do_not_overflow():
    """A float16 holds 300 but not its square."""
    gradient = tf.constant([300.0], "float16")
    observed = with_micro_batch_norms(
        lambda *_: (tf.zeros(2), [gradient], None),
    )
    sums, _, _ = observed(None, None, tf.ones((1, 1)), tf.ones(()))
    np.testing.assert_array_equal(sums, [0, 0, 90000, 1, 1])
