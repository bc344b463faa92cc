import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import chunked_cross_entropy
from keras_gpt3.ops import op_compilation
from keras_gpt3.ops import token_chunks
from keras_gpt3.ops.chunked_cross_entropy import loss_sums
from keras_gpt3.ops.op_compilation import compile_target
from tests.gradients import value_and_gradients
from tests.ops.attention.attention_check import compiled_functions
from tests.ops.attention.attention_check import element_counts
from tests.ops.attention.attention_check import to_float64
from tests.tracing import at_once
from tests.tracing import traced

VOCABULARY, WIDTH = 11, 6
unknown_shape = pytest.mark.backend(
    "tensorflow", reason="JAX knows every shape when it traces."
)
# float32 sums over up to 34 tokens; bfloat16 rounds logits and results to 8
# bits.
TOLERANCES = {"float32": 1e-5, "bfloat16": 3e-2}


@pytest.fixture
def chunks_of_eight(monkeypatch):
    monkeypatch.setattr(token_chunks, "_CHUNK_LOGITS", 8 * VOCABULARY)


def chunked_cross_entropy_module():
    import importlib

    return importlib.import_module("keras_gpt3.ops.chunked_cross_entropy")


def random_inputs(length, dtype="float32"):
    generator = np.random.default_rng(length)
    return (
        ops.cast(generator.normal(size=(2, length, WIDTH)), dtype),
        ops.cast(generator.normal(size=(VOCABULARY, WIDTH)), "float32"),
        ops.cast(generator.integers(VOCABULARY, size=(2, length)), "int32"),
        # Some of the tokens do not count.
        ops.cast(np.maximum(generator.normal(size=(2, length)), 0), "float32"),
    )


def whole(states, table, labels, weights):
    """All logits at once, and a softmax spelled out."""
    logits = ops.matmul(ops.cast(states, "float32"), ops.transpose(table))
    chosen = ops.one_hot(labels, VOCABULARY)
    losses = -ops.sum(ops.log_softmax(logits) * chosen, axis=-1)
    right = ops.cast(ops.argmax(logits, axis=-1), "int32") == labels
    right = ops.cast(right, "float32")
    return ops.sum(losses * weights), ops.sum(right * weights)


def sums_and_gradients(function, states, table, labels, weights, upstream=2.0):
    @at_once
    def step(states, table, labels, weights):
        _, correct = function(states, table, labels, weights)
        loss, gradients = value_and_gradients(
            lambda *x: function(*x, labels, weights)[0],
            states,
            table,
            upstream=upstream,
        )
        return loss, correct, *gradients

    return step(states, table, labels, weights)


def assert_equal(received, expected, dtype="float32"):
    for value, other in zip(received, expected, strict=True):
        value, other = to_float64(value), to_float64(other)
        error = np.linalg.norm(value - other)
        assert error <= TOLERANCES[dtype] * np.linalg.norm(other)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("length", [1, 4, 5, 12, 17])
def test_chunks_equal_all_logits_at_once(length, dtype, chunks_of_eight):
    """Lengths of one chunk, of whole chunks, and of chunks with padding."""
    inputs = random_inputs(length, dtype)
    received = sums_and_gradients(chunked_cross_entropy, *inputs)
    assert [x.dtype for x in received] == ["float32"] * 2 + [dtype, "float32"]
    assert_equal(received, sums_and_gradients(whole, *inputs), dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("length", [1, 17])
def test_a_head_that_is_padded_for_a_gpu_gives_the_same(
    length, dtype, chunks_of_eight
):
    inputs = random_inputs(length, dtype)
    step = functools.partial(sums_and_gradients, chunked_cross_entropy)
    expected = traced(step, whole=True)(*inputs)
    with compile_target("gpu"):
        received = traced(lambda *x: step(*x), whole=True)(*inputs)
        sums = loss_sums(*inputs)
        table, size = chunked_cross_entropy_module()._head(
            inputs[1], dtype, None
        )
    assert (table.shape, size) == ((64, WIDTH), VOCABULARY)
    assert [x.shape for x in received] == [x.shape for x in expected]
    assert_equal(received, expected, dtype)
    assert_equal(received, sums_and_gradients(whole, *inputs), dtype)
    assert_equal(sums, whole(*inputs), dtype)


def test_a_table_that_is_padded_already_may_be_padded_once_more(
    chunks_of_eight,
):
    states, table, labels, weights = random_inputs(17)
    of = chunked_cross_entropy_module().loss_and_gradients
    padded = ops.concatenate([table, 100.0 * table[:3]])
    with compile_target("gpu"):
        *received, d_padded = of(
            states, padded, labels, weights, 2.0, vocabulary_size=VOCABULARY
        )
    assert not np.any(d_padded[VOCABULARY:])
    assert_equal(
        [*received, d_padded[:VOCABULARY]],
        sums_and_gradients(whole, states, table, labels, weights),
    )


@unknown_shape
@pytest.mark.parametrize("shape", [(None, 5), (2, None), (None, None)])
@pytest.mark.quick_cases(1)
def test_shapes_that_are_not_known_give_the_same(shape, chunks_of_eight):
    inputs = random_inputs(5)
    specs = [
        tf.TensorSpec((*shape, WIDTH)),
        tf.TensorSpec((VOCABULARY, WIDTH)),
        tf.TensorSpec(shape, "int32"),
        tf.TensorSpec(shape),
    ]
    graph = tf.function(
        functools.partial(sums_and_gradients, chunked_cross_entropy),
        input_signature=specs,
    )
    expected = sums_and_gradients(whole, *inputs)
    assert_equal(graph(*inputs), expected)


@unknown_shape
def test_no_tokens_give_zeros():
    states, table, labels, weights = random_inputs(5)
    graph = tf.function(
        functools.partial(sums_and_gradients, chunked_cross_entropy),
        reduce_retracing=True,
    )
    for rows in (2, 1, 0):
        results = graph(states[:rows], table, labels[:rows], weights[:rows])
    assert [float(tf.reduce_sum(tf.abs(x))) for x in results] == [0.0] * 4


def test_the_sums_alone_are_the_same(chunks_of_eight):
    states, table, labels, weights = random_inputs(17)
    received = loss_sums(states, table, labels, weights)
    assert_equal(received, whole(states, table, labels, weights))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64"])
def test_labels_may_be_of_any_integer_dtype(dtype, chunks_of_eight):
    states, table, labels, weights = random_inputs(5)
    cast_labels = ops.convert_to_numpy(labels).astype(dtype)
    received = sums_and_gradients(
        chunked_cross_entropy, states, table, cast_labels, weights
    )
    assert_equal(
        received, sums_and_gradients(whole, states, table, labels, weights)
    )


def test_frozen_embeddings_get_no_gradient(chunks_of_eight):
    of = chunked_cross_entropy_module().loss_and_gradients
    *expected, d_table = of(*random_inputs(17))
    *received, nothing = of(*random_inputs(17), frozen=True)
    assert d_table is not None
    assert nothing is None
    assert_equal(received, expected)


def weighted_only(states, table, labels, weights):
    """The sums and gradients of `sums_and_gradients`, by the quicker route."""
    of = chunked_cross_entropy_module().loss_and_gradients
    return of(states, table, labels, weights, 2.0, weighted_only=True)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("length", [1, 5, 17])
def test_tokens_without_a_weight_may_be_left_out(
    length, dtype, chunks_of_eight
):
    inputs = random_inputs(length, dtype)
    assert not np.all(inputs[3])
    received = weighted_only(*inputs)
    assert [x.dtype for x in received] == ["float32"] * 2 + [dtype, "float32"]
    assert_equal(received, sums_and_gradients(whole, *inputs), dtype)
    sums = loss_sums(*inputs, weighted_only=True)
    assert_equal(sums, whole(*inputs), dtype)


@unknown_shape
@pytest.mark.parametrize("shape", [(2, 17), (None, None)])
def test_tokens_are_left_out_in_a_graph(shape, chunks_of_eight):
    specs = [
        tf.TensorSpec((*shape, WIDTH)),
        tf.TensorSpec((VOCABULARY, WIDTH)),
        tf.TensorSpec(shape, "int32"),
        tf.TensorSpec(shape),
    ]
    graph = tf.function(weighted_only, input_signature=specs)
    states, table, labels, weights = random_inputs(17)
    for share in (1.0, 0.3, 0.0):
        kept = weights * tf.cast(weights <= share, "float32")
        inputs = states, table, labels, kept
        assert_equal(graph(*inputs), sums_and_gradients(whole, *inputs))
    assert not np.any(kept)


def test_without_weights_every_token_counts_once():
    states, table, labels, _ = random_inputs(5)
    loss, correct = chunked_cross_entropy(states, table, labels)
    assert_equal(
        (loss, correct), whole(states, table, labels, ops.ones(labels.shape))
    )


def test_of_equal_logits_the_first_is_the_guess():
    states, table = ops.zeros((1, 3, WIDTH)), ops.ones((VOCABULARY, WIDTH))
    _, correct = chunked_cross_entropy(states, table, [[0, 1, 10]])
    assert correct == 1.0


def test_logits_beyond_the_range_of_exp_give_a_finite_loss():
    states = ops.full((1, 1, 1), 100.0)
    table = ops.array([[3.0], [-3.0]])
    loss, _, *gradients = sums_and_gradients(
        chunked_cross_entropy,
        states,
        table,
        np.array([[1]]),
        np.array([[1.0]]),
        upstream=1.0,
    )
    assert loss == 600.0
    np.testing.assert_array_equal(gradients[0], [[[6.0]]])


def test_half_precision_rounds_gradients_after_they_are_scaled():
    states, table, labels, weights = random_inputs(3, "float16")
    of = chunked_cross_entropy_module().loss_and_gradients
    # Below the smallest float16, 6e-8, unless scaled.
    tiny = weights * 1e-9
    plain, scaled = (
        of(states, table, labels, tiny, scale)[2] for scale in (1.0, 2.0**15)
    )
    assert not np.any(plain)
    assert np.all(np.any(scaled != 0, axis=-1) == (weights > 0))


def test_the_logits_of_all_tokens_never_exist(chunks_of_eight):
    specs = [
        keras.KerasTensor((2, 64, WIDTH)),
        keras.KerasTensor((VOCABULARY, WIDTH)),
        keras.KerasTensor((2, 64), "int32"),
        keras.KerasTensor((2, 64)),
    ]

    def most(function):
        step = functools.partial(sums_and_gradients, function)
        with op_compilation(False):
            return max(element_counts(step, *specs, unknown=True))

    assert most(whole) == 128 * VOCABULARY
    assert most(chunked_cross_entropy) == 128 * WIDTH
    if keras.config.backend() == "tensorflow":
        assert compiled_functions(chunked_cross_entropy, *specs)
