import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import op_compilation
from keras_gpt3.ops import token_chunks
from keras_gpt3.ops import token_cross_entropy
from keras_gpt3.ops.log_probabilities import log_probabilities_under_head
from keras_gpt3.ops.log_probabilities import token_log_probabilities
from tests.gradients import value_and_gradients
from tests.ops.attention.attention_check import element_counts
from tests.ops.attention.attention_check import to_float64
from tests.tracing import traced

# === Token cross entropy ===


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


# === Token log probabilities ===


VOCABULARY, WIDTH = 11, 6


@pytest.fixture
def chunks_of_eight(monkeypatch):
    monkeypatch.setattr(token_chunks, "_CHUNK_LOGITS", 8 * VOCABULARY)


def random_inputs(length, dtype="float32"):
    generator = np.random.default_rng(length)
    return (
        ops.cast(generator.normal(size=(2, length, WIDTH)), dtype),
        ops.cast(generator.normal(size=(VOCABULARY, WIDTH)), "float32"),
        generator.integers(VOCABULARY, size=(2, length)),
    )


def all_logits(states, table):
    """All of them at once, in the dtype of the states."""
    table = ops.cast(table, states.dtype)
    if keras.config.backend() == "jax":
        # Its compiler skips the rounding between product and softmax.
        states, table = (ops.cast(x, "float32") for x in (states, table))
    return ops.matmul(states, ops.transpose(table))


def slow_scores(logits, token_ids, top_n):
    """Position by position, from all logits, in float64."""
    logits = to_float64(logits)
    shape = token_ids.shape
    found = np.zeros(shape), np.zeros(shape, "bool")
    top = np.zeros((*shape, top_n), "int32"), np.zeros((*shape, top_n))
    for place in np.ndindex(shape):
        row, token_id = logits[place], token_ids[place]
        log_softmax = row - np.log(np.sum(np.exp(row)))
        best = np.argsort(-row, kind="stable")
        found[0][place] = log_softmax[token_id]
        found[1][place] = best[0] == token_id
        top[0][place] = best[:top_n]
        top[1][place] = log_softmax[best[:top_n]]
    return (*found, *top)


def assert_equal(received, expected):
    kinds = ["float32", "bool", "int32", "float32"][: len(received)]
    assert [x.dtype for x in received] == kinds
    for x, y in zip(received, expected, strict=True):
        # float32 sums over 11 exponentials.
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("top_n", [0, 3])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("length", [1, 4, 13])
def test_equals_the_softmax_of_all_logits(
    length, dtype, top_n, chunks_of_eight
):
    states, table, token_ids = random_inputs(length, dtype)
    received = token_log_probabilities(states, table, token_ids, top_n)
    expected = slow_scores(all_logits(states, table), token_ids, top_n)
    # The fewest of the results go without alternatives.
    assert_equal(received, expected[: len(received)])
    assert len(received) == (4 if top_n else 2)


def test_a_head_that_is_no_table_gives_its_own_logits(chunks_of_eight):
    states, table, token_ids = random_inputs(13)

    def head(states):
        assert states.shape == (7, WIDTH)  # 26 positions, at most 8 at a time.
        return 3.0 * all_logits(states, table)

    received = log_probabilities_under_head(
        states, head, VOCABULARY, token_ids, top_n=2
    )
    logits = 3.0 * all_logits(states, table)
    assert_equal(received, slow_scores(logits, token_ids, 2))


def test_of_equal_logits_the_first_is_the_highest():
    states, table = ops.zeros((1, 3, WIDTH)), ops.ones((VOCABULARY, WIDTH))
    _, is_highest, ids, _ = token_log_probabilities(
        states, table, [[0, 1, 10]], top_n=2
    )
    np.testing.assert_array_equal(is_highest, [[True, False, False]])
    np.testing.assert_array_equal(ids, [[[0, 1]] * 3])


def test_logits_beyond_the_range_of_exp_give_finite_log_probabilities():
    states = ops.full((1, 2, 1), 100.0)
    table = ops.array([[3.0], [-3.0]])
    received, _ = token_log_probabilities(states, table, [[0, 1]])
    np.testing.assert_array_equal(received, [[0.0, -600.0]])


@pytest.mark.parametrize("whole", [False, True])
def test_a_graph_gives_the_same(whole, chunks_of_eight):
    inputs = random_inputs(13)
    function = functools.partial(token_log_probabilities, top_n=2)
    received = traced(function, whole)(*inputs)
    assert_equal(received, function(*inputs))


@pytest.mark.backend("tensorflow", reason="JAX knows every shape.")
def test_a_graph_of_unknown_shape_gives_the_same(chunks_of_eight):
    states, table, token_ids = random_inputs(13)
    specs = (
        tf.TensorSpec((None, None, WIDTH)),
        tf.TensorSpec((VOCABULARY, WIDTH)),
        tf.TensorSpec((None, None), "int64"),
    )
    in_graph = tf.function(token_log_probabilities, input_signature=specs)
    received = in_graph(states, table, tf.constant(token_ids))
    assert_equal(received, token_log_probabilities(states, table, token_ids))


def test_the_logits_of_all_positions_never_exist(chunks_of_eight):
    specs = [
        keras.KerasTensor((2, 64, WIDTH)),
        keras.KerasTensor((VOCABULARY, WIDTH)),
        keras.KerasTensor((2, 64), "int32"),
    ]

    def most(function):
        with op_compilation(False):
            return max(element_counts(function, *specs, unknown=True))

    assert most(lambda s, t, i: all_logits(s, t)) == 128 * VOCABULARY
    assert most(token_log_probabilities) == 128 * WIDTH
