import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops import masked_softmax
from tests.gradients import gradients


def slow_softmax(scores, visible):
    weights = np.zeros(scores.shape)
    for row in np.ndindex(scores.shape[:-1]):
        seen = np.flatnonzero(visible[row])
        exponents = [np.exp(scores[row][j]) for j in seen]
        weights[(*row, seen)] = exponents / np.sum(exponents)
    return weights


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_equals_a_softmax_over_the_visible_entries_alone(dtype):
    generator = np.random.default_rng(0)
    scores = ops.cast(generator.normal(size=(3, 4, 9)), dtype)
    visible = generator.random((3, 4, 9)) < 0.5
    visible[1, 2] = False
    weights = masked_softmax(scores, visible)
    assert weights.dtype == "float32"
    exact = slow_softmax(np.asarray(scores, "float64"), visible)
    # The scores are exact; the softmax is float32 whatever their dtype.
    np.testing.assert_allclose(weights, exact, atol=2e-7)
    assert not ops.convert_to_numpy(weights)[~visible].any()


def test_the_mask_broadcasts():
    scores = np.zeros((2, 3, 4), "float32")
    weights = masked_softmax(scores, np.array([True, False, True, False]))
    np.testing.assert_array_equal(weights, scores + [0.5, 0, 0.5, 0])


def test_huge_scores_neither_overflow_nor_hide():
    scores = np.array([[1e38, 1e38, -1e38], [-1e38, -1e38, 0]], "float32")
    visible = np.array([[True, True, True], [True, True, False]])
    weights = masked_softmax(scores, visible)
    np.testing.assert_array_equal(weights, [[0.5, 0.5, 0], [0.5, 0.5, 0]])


def test_gradient_is_the_softmaxs_own_and_zero_where_nothing_is_visible():
    generator = np.random.default_rng(0)
    scores, upstream = generator.normal(size=(2, 4, 6)).astype("float32")
    visible = generator.random((4, 6)) < 0.6
    visible[2] = False
    (received,) = gradients(
        lambda x: masked_softmax(x, visible), scores, upstream=upstream
    )
    weights = slow_softmax(scores.astype("float64"), visible)
    means = (weights * upstream).sum(-1, keepdims=True)
    exact = weights * (upstream - means)
    np.testing.assert_allclose(received, exact, atol=5e-7)
