import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops.attention.cached_attention import fill_ring
from keras_gpt3.ops.attention.cached_attention import grow_ring
from keras_gpt3.ops.attention.cached_attention import ring_positions
from keras_gpt3.ops.attention.cached_attention import ring_size
from keras_gpt3.ops.attention.cached_attention import write_ring
from keras_gpt3.ops.op_compilation import jit_compile

SHAPE = (2, 3, 4)  # Batch, heads, width.
LENGTH = 11


def slow_positions(size, end):
    """Writes position after position into its slot."""
    slots = [-1] * size
    for position in range(end):
        slots[position % size] = position
    return slots


def slow_ring(update, size, end):
    """The same with what belongs to the positions."""
    batch, _, heads, width = update.shape
    ring = np.zeros((batch, heads, size, width), update.dtype)
    for position in range(end):
        ring[:, :, position % size] = update[:, position]
    return ring


def random_update(length=LENGTH):
    batch, heads, width = SHAPE
    shape = (batch, length, heads, width)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("size", [1, 3, 4, LENGTH, 20])
@pytest.mark.parametrize("end", [0, 1, 3, 4, 7, LENGTH])
def test_slots_hold_the_last_positions(size, end):
    positions = np.asarray(ring_positions(size, end))
    received = np.where(positions < 0, -1, positions)
    assert received.tolist() == slow_positions(size, end)
    update = random_update()
    np.testing.assert_array_equal(
        fill_ring(update, size, end), slow_ring(update, size, end)
    )


@pytest.mark.parametrize("size", [1, 4, 20])
def test_each_row_may_end_and_go_on_at_a_position_of_its_own(size):
    update = random_update()
    ends = np.array([3, 7], "int32")
    ring = fill_ring(update, size, ends)
    for chunk in (1, 3):
        for row, end in enumerate(ends):
            expected = slow_ring(update[row : row + 1], size, end)
            np.testing.assert_array_equal(ring[row], expected[0])
        part = update[[[0], [1]], ends[:, None] + np.arange(chunk)]
        ring = write_ring(ring, part, ops.convert_to_tensor(ends))
        ends = ends + chunk


@pytest.mark.parametrize("size", [1, 3, 4, 20])
@pytest.mark.parametrize("chunk", [1, 2, 5])
@pytest.mark.parametrize("xla", [True, False])
def test_chunks_are_written_as_one_prompt_would_be(size, chunk, xla):
    update = random_update()
    write = jit_compile(write_ring) if xla else write_ring
    ring = ops.zeros((2, 3, size, 4))
    for start in range(0, LENGTH, chunk):
        part = update[:, start : start + chunk]
        ring = write(ring, *map(ops.convert_to_tensor, (part, start)))
        np.testing.assert_array_equal(
            ring, slow_ring(update, size, start + part.shape[1])
        )


@pytest.mark.backend("tensorflow", reason="JAX has no operations but XLA's.")
def test_outside_of_xla_there_are_stock_operations_only():
    graph = (
        tf.function(write_ring)
        .get_concrete_function(
            tf.TensorSpec((None, 3, None, 4)),
            tf.TensorSpec((None, 1, 3, 4)),
            tf.TensorSpec((), "int32"),
        )
        .graph.as_graph_def()
    )
    operations = {node.op for node in graph.node}
    assert "TensorScatterUpdate" in operations
    assert not [name for name in operations if name.startswith("Xla")]


@pytest.mark.parametrize(
    "length, window, expected", [(10, None, 10), (10, 4, 4), (3, 4, 3)]
)
def test_a_banded_layer_has_its_windows_slots(length, window, expected):
    assert ring_size(length, window) == expected
    assert int(ring_size(ops.convert_to_tensor(length), window)) == expected


def test_a_ring_that_grew_is_one_that_was_larger_from_the_start():
    keys = np.random.default_rng(0).normal(size=(2, 5, 3, 4))
    grown = grow_ring(fill_ring(keys, 5, 5), 9)
    np.testing.assert_array_equal(grown, fill_ring(keys, 9, 5))


@pytest.mark.parametrize("size", [4, 7])
def test_a_ring_that_came_round_grows_at_each_rows_end(size):
    keys = np.random.default_rng(0).normal(size=(3, 9, 2, 4)).astype("float32")
    ends = np.array([2, 5, 9], "int32")
    grown = grow_ring(fill_ring(keys, 4, ends), size, ends)
    expected = np.zeros((3, 2, size, 4))
    for row, end in enumerate(ends):
        for position in range(max(0, end - 4), end):
            expected[row, :, position % size] = keys[row, position]
    np.testing.assert_array_equal(grown, expected)


def test_a_ring_of_the_right_size_stays():
    ring = np.ones((1, 2, 3, 4))
    np.testing.assert_array_equal(grow_ring(ring, 3), ring)
