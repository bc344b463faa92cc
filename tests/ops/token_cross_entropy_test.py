import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops import token_cross_entropy
from tests.gradients import value_and_gradients
from tests.ops.attention_check import to_float64


def slow_cross_entropy(labels, logits):
    logits = np.asarray(logits, "float64")
    losses = np.zeros(labels.shape)
    for index in np.ndindex(labels.shape):
        scores = logits[index]
        losses[index] = np.log(np.exp(scores).sum()) - scores[labels[index]]
    return losses


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equals_the_formula_in_value_and_gradient(dtype):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 11, (2, 5))
    logits = ops.cast(generator.normal(size=(2, 5, 11)) * 5, dtype)
    losses, (gradient,) = value_and_gradients(
        lambda x: token_cross_entropy(labels, x), logits
    )
    assert losses.dtype == "float32"
    # The logits are exact and the loss is float32 whatever their dtype.
    np.testing.assert_allclose(
        losses, slow_cross_entropy(labels, logits), atol=5e-6
    )
    exponents = np.exp(to_float64(logits))
    probabilities = exponents / exponents.sum(-1, keepdims=True)
    # The gradient has the dtype of the logits: 1/512 of values up to 1.
    np.testing.assert_allclose(
        to_float64(gradient),
        probabilities - np.eye(11)[labels],
        atol={"float32": 1e-6, "bfloat16": 1 / 256}[dtype],
    )


def test_a_huge_logit_does_not_overflow():
    logits = np.array([[[1e30, 0.0]]], "float32")
    losses = token_cross_entropy(np.array([[0]]), logits)
    np.testing.assert_array_equal(losses, [[0.0]])
