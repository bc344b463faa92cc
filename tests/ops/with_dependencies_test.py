import functools

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import causal_attention
from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.op_compilation import compile_target
from keras_gpt3.ops.with_dependencies import with_dependencies
from tests.gradients import value_and_gradients
from tests.ops.attention.attention_check import training_step
from tests.ops.compiled_programs import num_barriers
from tests.ops.compiled_programs import optimized
from tests.ops.compiled_programs import program
from tests.tracing import traced

in_graphs = pytest.mark.backend(
    "tensorflow", reason="JAX leaves the order to its compiler."
)


def test_gives_its_argument_and_the_gradient_of_it():
    x = np.array([1.0, 2.0], "float32")
    others = [ops.zeros(3), ops.ones(2), ops.full((2, 2), np.nan)]
    y, (gradient,) = value_and_gradients(
        lambda x: with_dependencies(x, others), x
    )
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(gradient, [1.0, 1.0])


def test_gives_a_tuple_for_a_tuple():
    xs = (ops.ones(2), ops.zeros((2, 2)))
    found = with_dependencies(xs, [ops.zeros(3)])
    assert isinstance(found, tuple)
    assert [tuple(x.shape) for x in found] == [(2,), (2, 2)]
    assert with_dependencies(xs, [])[0] is xs[0]
    assert with_dependencies(xs[0], []) is xs[0]


@pytest.mark.parametrize("shape", [(2,), (3,), (2, 2), ()])
@pytest.mark.parametrize("dtype", ["int32", "bfloat16"])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_traced_gives_its_argument(target, whole, shape, dtype):
    x = ops.cast([1, 2], dtype)
    with compile_target(target):
        function = traced(lambda x, other: with_dependencies(x, other), whole)
        y = function(x, ops.full(shape, -np.inf))
    assert y.dtype == dtype
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (y, x)))


@in_graphs
def test_in_a_graph_what_follows_waits():
    @tf.function
    def function(x, other):
        return with_dependencies(x, other * 2.0)

    spec = tf.TensorSpec((2,))
    nodes = function.get_concrete_function(spec, spec).graph.get_operations()
    (waiting,) = [n for n in nodes if n.type == "Identity" and n.control_inputs]
    assert [n.type for n in waiting.control_inputs] == ["Mul"]


def ancestors(operation):
    """All operations that must run before."""
    found, waiting = set(), [operation]
    while waiting:
        node = waiting.pop()
        for before in [t.op for t in node.inputs] + list(node.control_inputs):
            if before not in found:
                found.add(before)
                waiting.append(before)
    return found


@in_graphs
def test_attention_computes_no_weights_again_before_the_gradient_is_there():
    spec = tf.TensorSpec((1, 8, 1, 4))

    @tf.function
    def gradients(query, key, value, upstream):
        with tf.GradientTape() as tape:
            tape.watch((query, key, value))
            output = causal_attention(query, key, value)
        return tape.gradient(output, (query, key, value), upstream)

    with op_compilation(False):
        graph = gradients.get_concrete_function(*[spec] * 4).graph
    upstream = graph.inputs[3].op
    exponentials = [n for n in graph.get_operations() if n.type == "Exp"]
    waits = [upstream in ancestors(node) for node in exponentials]
    # Once in the forward pass, once in the backward pass.
    assert sorted(waits) == [False, True]


# === Where XLA sees the whole program ===


def test_xla_for_a_cpu_does_not_merge_what_is_computed_again():
    def twice(first, x, other):
        again = first(x, other)
        # Far apart, so that each is an operation of its own.
        return ops.exp(x) @ other, ops.exp(again) @ other

    x, other = ops.ones((8, 8)), ops.ones((8, 8))
    counts = [
        optimized(functools.partial(twice, first), x, other).count(
            " exponential("
        )
        for first in (with_dependencies, lambda x, _: x)
    ]
    assert counts == [2, 1]


@pytest.mark.parametrize("length", [256, 600])
def test_attention_keeps_no_scores_for_the_gradient(length):
    x = ops.ones((1, length, 1, 4))
    text = optimized(training_step(lambda *x: causal_attention(*x)), *[x] * 4)
    # Two products in the forward pass, five in the backward pass: XLA has not
    # found that the first of them is the same.
    assert text.count(" dot(") == 7


def test_for_a_gpu_the_order_is_a_barrier_that_gradients_pass():
    x, others = ops.array([1.0, 2.0]), [ops.zeros(3), ops.ones((2, 2))]

    def step(x):
        value, (gradient,) = value_and_gradients(
            lambda x: with_dependencies((x, 2.0 * x), others)[1], x
        )
        return value, gradient

    assert num_barriers(program(lambda x: step(x), x)) == 0
    with compile_target("gpu"):
        # JAX makes one for the gradient as well.
        assert num_barriers(program(lambda x: step(x), x)) >= 1
        y, gradient = traced(lambda x: step(x), whole=True)(x)
    np.testing.assert_array_equal(y, [2.0, 4.0])
    np.testing.assert_array_equal(gradient, [2.0, 2.0])
