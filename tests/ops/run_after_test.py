import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.causal_attention import causal_attention
from keras_gpt3.ops.run_after import run_after
from tests.gradients import value_and_gradients
from tests.ops.attention_check import forward_and_backward
from tests.tracing import traced

in_graphs = pytest.mark.backend(
    "tensorflow", reason="JAX leaves the order to its compiler."
)


def test_gives_its_argument_and_the_gradient_of_it():
    x = np.array([1.0, 2.0], "float32")
    others = [ops.zeros(3), ops.ones(2), ops.full((2, 2), np.nan)]
    y, (gradient,) = value_and_gradients(lambda x: run_after(x, others), x)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(gradient, [1.0, 1.0])


@pytest.mark.parametrize("shape", [(2,), (3,), (2, 2), ()])
@pytest.mark.parametrize("dtype", ["int32", "bfloat16"])
def test_traced_gives_its_argument(shape, dtype):
    x = ops.cast([1, 2], dtype)
    y = traced(run_after)(x, ops.full(shape, -np.inf))
    assert y.dtype == dtype
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (y, x)))


@in_graphs
def test_in_a_graph_what_follows_waits():
    @tf.function
    def function(x, other):
        return run_after(x, other * 2.0)

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


@pytest.mark.backend("jax", reason="TensorFlow merges nothing of such a graph.")
def test_attention_keeps_no_scores_for_the_gradient():
    step = traced(
        lambda *x: forward_and_backward(causal_attention, x[:3], x[3])
    )
    code = step.lower(*[ops.ones((1, 16, 1, 4))] * 4).compile().as_text()
    # Two products in the forward pass, five in the backward pass: XLA has not
    # found that the first of them is the same.
    assert code.count(" dot(") == 7


@pytest.mark.backend("jax", reason="TensorFlow orders all devices alike.")
def test_for_a_gpu_the_order_is_a_barrier(monkeypatch):
    monkeypatch.setattr("keras_gpt3.ops.run_after.has_gpu", lambda: True)
    x, others = ops.array([1.0, 2.0]), [ops.zeros(3), ops.ones((2, 2))]
    step = traced(
        lambda x: value_and_gradients(lambda x: run_after(x, others), x)
    )
    assert "optimization_barrier" in step.lower(x).as_text()
    y, (gradient,) = step(x)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(gradient, [1.0, 1.0])
