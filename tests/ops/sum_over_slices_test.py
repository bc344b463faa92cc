import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops.sum_over_slices import sum_over_slices


def products(x, y):
    """Sums of two shapes, and a pair to keep, of another dtype."""
    kept = tf.cast(tf.stack([x * y, y]), "float32")
    return (x * y, tf.stack([x, y])), kept


def run(*xs):
    return sum_over_slices(products, xs)


def assert_right(results, x, y):
    (total, both), kept = results
    assert total == np.sum(x * y)
    np.testing.assert_array_equal(both, [x.sum(), y.sum()])
    np.testing.assert_array_equal(kept, np.stack([x * y, y], axis=1))


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("known", [True, False])
def test_equals_a_sum_at_once(steps, known):
    x, y = np.arange(steps) + 1, np.arange(steps) + 2
    xs = (tf.constant(x, "int32"), tf.constant(y, "int32"))
    spec = tf.TensorSpec((steps if known else None,), "int32")
    for function in (
        run,
        tf.function(run, input_signature=[spec] * 2),
        tf.function(run, input_signature=[spec] * 2, jit_compile=True),
    ):
        assert_right(function(*xs), x, y)


def test_keeps_nothing_where_the_function_gives_nothing():
    sums, kept = sum_over_slices(lambda x: ((x,), None), (tf.range(4),))
    assert sums == (6,)
    assert kept is None


def loops(steps):
    specs = [tf.TensorSpec((steps,), "int32")] * 2
    graph = tf.function(run).get_concrete_function(*specs).graph.as_graph_def()
    return [node for node in graph.node if "While" in node.op]


def test_no_two_steps_run_at_once():
    (loop,) = loops(4)
    assert loop.attr["parallel_iterations"].i == 1


def test_a_single_slice_makes_no_loop():
    assert loops(1) == []
