import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops.token_chunks import map_chunks
from keras_gpt3.ops.token_chunks import sum_over_chunks
from tests.tracing import traced

in_graphs = pytest.mark.backend(
    "tensorflow", reason="JAX knows every shape, and has its own loop."
)


def products(x, y):
    """Sums of two shapes, and a pair to keep, of another dtype."""
    kept = ops.cast(ops.stack([x * y, y]), "float32")
    return (x * y, ops.stack([x, y])), (kept,)


def run(*xs):
    return sum_over_chunks(products, xs)


def assert_right(results, x, y):
    (total, both), (kept,) = results
    assert total == np.sum(x * y)
    np.testing.assert_array_equal(both, [x.sum(), y.sum()])
    np.testing.assert_array_equal(kept, np.stack([x * y, y], axis=1))


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_equals_a_sum_at_once(steps):
    x, y = np.arange(steps) + 1, np.arange(steps) + 2
    xs = [ops.cast(each, "int32") for each in (x, y)]
    for function in (run, traced(run), traced(run, whole=True)):
        assert_right(function(*xs), x, y)


@in_graphs
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_number_of_chunks_need_not_be_known(steps, jit_compile):
    x, y = np.arange(steps) + 1, np.arange(steps) + 2
    graph = tf.function(
        run,
        input_signature=[tf.TensorSpec((None,), "int32")] * 2,
        jit_compile=jit_compile,
    )
    xs = [tf.constant(each, "int32") for each in (x, y)]
    assert_right(graph(*xs), x, y)


def test_keeps_nothing_where_the_function_gives_nothing():
    sums, kept = sum_over_chunks(lambda x: ((x,), ()), (ops.arange(4),))
    assert sums == (6,)
    assert kept == ()


@pytest.mark.parametrize("steps", [1, 4])
def test_keeps_all_where_there_is_nothing_to_sum(steps):
    kept = map_chunks(lambda x: (x, -x), (ops.arange(steps),))
    np.testing.assert_array_equal(kept, [range(steps), range(0, -steps, -1)])


def loops(steps):
    specs = [tf.TensorSpec((steps,), "int32")] * 2
    graph = tf.function(run).get_concrete_function(*specs).graph.as_graph_def()
    return [node for node in graph.node if "While" in node.op]


@in_graphs
def test_no_two_steps_run_at_once():
    (loop,) = loops(4)
    assert loop.attr["parallel_iterations"].i == 1


@in_graphs
def test_a_single_chunk_makes_no_loop():
    assert loops(1) == []
