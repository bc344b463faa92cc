import numpy as np
import tensorflow as tf

from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.causal_attention import causal_attention
from keras_gpt3.ops.run_after import run_after


def test_gives_its_argument_and_the_gradient_of_it():
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = run_after(x, [tf.zeros(3), tf.ones(2)])
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(tape.gradient(y, x), [1.0, 1.0])


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
