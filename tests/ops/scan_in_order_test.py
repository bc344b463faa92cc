import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops.scan_in_order import scan_in_order


def add(carry, slices):
    """Carries a scalar and keeps a row of two, of another dtype."""
    total = carry[0] + slices[0] * slices[1]
    return (total,), tf.cast(tf.stack([total, slices[1]])[None], "float32")


ROWS = keras.KerasTensor((None, 2), "float32")


def count(carry, slices):
    return (carry[0] + slices[0],), None


@pytest.mark.parametrize("steps", [0, 1, 5])
@pytest.mark.parametrize("known", [True, False])
def test_equals_a_loop_in_python(steps, known):
    spec = tf.TensorSpec((steps if known else None,), "int32")
    first, second = np.arange(steps) + 1, np.arange(steps) + 2
    totals = np.cumsum(first * second)

    @tf.function(input_signature=[spec] * 2)
    def traced(*xs):
        return scan_in_order(add, (0,), xs, ROWS)

    xs = (tf.constant(first, "int32"), tf.constant(second, "int32"))
    for (carry,), kept in (
        scan_in_order(add, (0,), xs, ROWS),
        traced(*xs),
    ):
        assert carry == (totals[-1] if steps else 0)
        np.testing.assert_array_equal(kept, np.stack([totals, second], 1))


def test_keeps_nothing_where_the_function_gives_nothing():
    carry, kept = scan_in_order(count, (1,), (np.array([1, 2], "int32"),))
    assert carry == (4,)
    assert kept is None


def test_no_two_steps_run_at_once():
    @tf.function
    def traced(*xs):
        return scan_in_order(add, (0,), xs, ROWS)

    specs = [tf.TensorSpec((4,), "int32")] * 2
    graph = traced.get_concrete_function(*specs).graph.as_graph_def()
    (loop,) = [n for n in graph.node if "While" in n.op]
    assert loop.attr["parallel_iterations"].i == 1
