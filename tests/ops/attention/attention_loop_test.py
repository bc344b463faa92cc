import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.attention import attention_loop
from keras_gpt3.ops.attention import attention_shapes
from keras_gpt3.ops.attention.attention_loop import looped_attention
from keras_gpt3.ops.attention.attention_shapes import attention_arguments
from keras_gpt3.ops.op_compilation import compile_target
from tests.ops.attention.attention_check import assert_equals_slow_attention
from tests.ops.attention.attention_check import check_whole
from tests.ops.attention.attention_check import random_inputs
from tests.ops.attention.attention_check import to_float64
from tests.ops.attention.attention_check import training_step
from tests.ops.attention.attention_check import two_rows_of_segments
from tests.ops.compiled_programs import most_elements
from tests.ops.compiled_programs import num_barriers
from tests.ops.compiled_programs import num_loops
from tests.ops.compiled_programs import optimized
from tests.ops.compiled_programs import program
from tests.tracing import traced

DTYPES = ("float32", "bfloat16", "float16")


@pytest.fixture(autouse=True)
def blocks_of_16(monkeypatch):
    monkeypatch.setattr(attention_shapes, "DENSE_BLOCK", 16)
    monkeypatch.setattr(attention_shapes, "BANDED_BLOCK", 16)


def attend(
    query,
    key,
    value,
    window=None,
    scale=0.5,
    padding_mask=None,
    segment_ids=None,
):
    """The loop, called as its oracle is."""
    _, masks, _ = attention_arguments(
        query, key, value, scale, padding_mask, segment_ids
    )
    return looped_attention(
        query, key, value, *masks, window=window, scale=scale
    )


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("length", [1, 15, 16, 17, 45, 64])
@pytest.mark.quick_cases(4)
def test_equals_slow_attention_at_lengths_that_blocks_divide_or_not(
    length, masked
):
    check_whole(attend, length, masked=masked)


@pytest.mark.parametrize("window", [None, 7])
def test_no_positions_give_no_positions(window):
    nothing = ops.zeros((2, 0, 3, 4))
    output = traced(lambda x: attend(x, x, x, window))(nothing)
    assert tuple(output.shape) == (2, 0, 3, 4)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("window", [1, 7, 16, 17, 40, 44])
@pytest.mark.quick_cases(4)
def test_equals_slow_attention_at_every_window(window, masked):
    """Windows within a block, of a block, over two, and of all but one key."""
    check_whole(attend, 45, masked=masked, window=window)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    ("length", "window", "masked"),
    [
        (1, None, False),
        (45, None, True),
        (64, None, False),
        (45, 1, True),
        (45, 17, True),
    ],
)
@pytest.mark.quick_cases(2)
def test_equals_slow_attention_in_half_precision(length, window, masked, dtype):
    check_whole(attend, length, dtype, masked, window=window)


@pytest.mark.parametrize(("length", "window"), [(17, 1), (64, 16), (16, 7)])
def test_bands_end_where_blocks_end(length, window):
    check_whole(attend, length, masked=True, window=window)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("window", [None, 1, 7, 17, 40])
@pytest.mark.parametrize("length", [17, 45, 64])
@pytest.mark.quick_cases(4)
def test_equals_slow_attention_within_segments(length, window, masked):
    """Segments that begin inside of blocks, at their edges, and beside them."""
    ids = two_rows_of_segments(length)
    check_whole(attend, length, masked=masked, segment_ids=ids, window=window)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("window", [None, 7])
def test_segments_in_half_precision(window, dtype):
    ids = two_rows_of_segments(45)
    check_whole(attend, 45, dtype, segment_ids=ids, window=window)


@pytest.mark.parametrize("window", [None, 20])
def test_segments_in_any_order_are_masked_as_well(window):
    """Less is skipped then, and nothing too much."""
    ids = 9 - two_rows_of_segments(45)
    ids[1, 20:] = np.random.default_rng(0).integers(0, 3, 25)
    check_whole(attend, 45, segment_ids=ids, window=window)


@pytest.mark.backend("jax", reason="TensorFlow maps over no parts.")
@pytest.mark.parametrize("window", [None, 20])
def test_parts_of_a_batch_go_through_the_same_pairs(window):
    """Mapped over parts that begin at blocks of their own."""
    import jax

    tensors, upstream, _ = random_inputs(45)
    both = [np.stack([x, x[::-1]]) for x in (*tensors, upstream)]
    ids = np.stack([two_rows_of_segments(45), np.zeros((2, 45), "int32")])
    ids[1, :, 33:] = 1
    step = training_step(
        lambda q, k, v, ids: attend(q, k, v, window, segment_ids=ids)
    )
    mapped = jax.vmap(step)
    for part, results in enumerate(
        zip(*map(list, jax.jit(mapped)(*both, ids)), strict=True)
    ):
        inputs = [ops.convert_to_tensor(x[part]) for x in both]
        assert_equals_slow_attention(
            results,
            inputs[:3],
            inputs[3],
            window=window,
            scale=0.5,
            segment_ids=ids[part],
        )
    # Else each part would read a block of its own.
    assert " gather(" not in optimized(mapped, *both, ids)


def test_takes_a_scale():
    check_whole(attend, 45, scale=0.2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("window", [None, 7])
@pytest.mark.quick_cases(2)
def test_queries_that_see_no_key_return_zeros(window, dtype):
    tensors, upstream, _ = random_inputs(45, dtype)
    mask, blind = np.ones((2, 45), "bool"), np.zeros((2, 45), "bool")
    if window is None:
        mask[0, :20], blind[0, :20] = False, True
    else:
        mask[0, 20:40], blind[0, 20 + window - 1 : 40] = False, True

    def function(query, key, value, mask):
        return attend(query, key, value, window, padding_mask=mask)

    step = traced(training_step(function), whole=True)
    output, *gradients = map(
        to_float64, step(*tensors, upstream, ops.convert_to_tensor(mask))
    )
    assert not output[blind].any()
    assert output[~blind].all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert not gradients[0][blind].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_huge_scores_give_finite_numbers(dtype):
    # Scores of up to 60000, which float16 holds, and a step where the first
    # block counts for nothing after the second.
    query = ops.cast(np.linspace(-245, 245, 45).reshape(1, 45, 1, 1), dtype)
    value = ops.cast(np.arange(45).reshape(1, 45, 1, 1), dtype)

    def function(query, key, value):
        return attend(query, key, value, scale=1.0)

    step = traced(training_step(function), whole=True)
    output, *gradients = step(query, query, value, ops.ones_like(value))
    assert all(np.isfinite(to_float64(x)).all() for x in (output, *gradients))
    # A positive query sees the highest key, itself, a negative one the first.
    expected = np.where(np.arange(45) <= 22, 0.0, np.arange(45))
    np.testing.assert_array_equal(
        np.delete(to_float64(output).ravel(), 22), np.delete(expected, 22)
    )


@pytest.mark.backend("tensorflow", reason="JAX knows the length.")
@pytest.mark.parametrize("window", [None, 1, 17])
def test_equals_slow_attention_where_the_length_is_not_known(window):
    def function(query, key, value, mask):
        return attend(query, key, value, window, padding_mask=mask)

    tensor = tf.TensorSpec((None, None, 2, 4))
    step = tf.function(
        training_step(function),
        input_signature=[tensor] * 4 + [tf.TensorSpec((None, None), "bool")],
        jit_compile=True,
    )
    for length in (1, 16, 45):
        tensors, upstream, mask = random_inputs(length, masked=True)
        assert_equals_slow_attention(
            step(*tensors, upstream, mask),
            tensors,
            upstream,
            window=window,
            scale=0.5,
            padding_mask=mask,
        )


@pytest.mark.backend("tensorflow", reason="JAX has no tape.")
def test_a_gradient_from_outside_of_the_program_is_the_same():
    tensors, upstream, _ = random_inputs(45)
    compiled = traced(attend, whole=True)
    results = training_step(compiled)(*tensors, upstream)
    assert_equals_slow_attention(results, tensors, upstream, scale=0.5)


@pytest.mark.backend("jax", reason="TensorFlow runs no loop op by op.")
def test_is_compiled_once_for_eager_calls():
    compiled = attention_loop._jitted("cpu")
    tensors, _, _ = random_inputs(45)
    attend(*tensors)
    before = compiled._cache_size()
    attend(*tensors)
    assert compiled._cache_size() == before


@pytest.mark.backend("jax", reason="TensorFlow traces anew for each program.")
def test_what_was_traced_for_one_platform_does_not_serve_another():
    tensors, upstream, _ = random_inputs(31)

    def barriers():
        step = training_step(attend)
        return num_barriers(program(step, *tensors, upstream))

    assert barriers() == 0
    with compile_target("gpu"):
        assert barriers() > 0
    assert barriers() == 0


# === What the program holds ===


@pytest.mark.parametrize("window", [None, 20])
def test_is_two_loops_without_an_array_of_length_by_length(window):
    x = ops.ones((1, 256, 1, 4))

    text = program(training_step(lambda *x: attend(*x, window)), *[x] * 4)
    # Forward and backward.
    assert num_loops(text) == 2
    # The tensors themselves; a block has 16 x 16 scores.
    assert most_elements(text) == 4 * 256


def test_the_count_finds_an_array_of_length_by_length():
    x = ops.ones((1, 256, 1, 4))
    text = program(lambda *x: ops.dot_product_attention(*x), *[x] * 3)
    assert num_loops(text) == 0
    assert most_elements(text) == 256 * 256


@pytest.mark.parametrize(
    ("length", "window", "pairs"),
    [
        (48, None, [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]),
        (33, 1, [(0, 0), (1, 1), (2, 2)]),
        (33, 17, [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)]),
        (33, 18, [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]),
        (7, None, [(0, 0)]),
    ],
)
def test_only_pairs_that_see_each_other_are_visited(length, window, pairs):
    assert visited_pairs(length, window) == pairs


def visited_pairs(length, window, *masks):
    """The pairs of a loop, in order."""
    visited = []

    def step(row, column, is_first, state):
        visited.append((int(row), int(column)))
        assert bool(is_first) == (len(visited) == 1 or row != visited[-2][0])
        return (state,)

    loop = attention_loop._Pairs(length, window, masks).loop
    if keras.config.backend() == "jax":
        import jax

        with jax.disable_jit():
            loop(step, (ops.zeros(()),))
    else:
        loop(step, (ops.zeros(()),))
    return visited


@pytest.mark.parametrize(
    ("starts", "window", "pairs"),
    [
        # Both rows begin anew at the edge of a block, or one before it.
        ([[16], [16]], None, [(0, 0), (1, 1), (2, 1), (2, 2)]),
        ([[16], [15]], None, [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]),
        ([[15, 30], [32]], None, [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)]),
        ([[16, 32], [16, 32]], None, [(0, 0), (1, 1), (2, 2)]),
        ([[9], [9]], 2, [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)]),
        ([[32], [32]], 2, [(0, 0), (1, 0), (1, 1), (2, 2)]),
    ],
)
def test_pairs_without_a_segment_in_common_are_not_visited(
    starts, window, pairs
):
    # The last block has padding, which is no segment.
    ids = 1 + np.stack([np.cumsum(np.isin(np.arange(40), x)) for x in starts])
    mask, ids = np.ones(ids.shape, "bool"), ops.cast(ids, "int32")
    assert visited_pairs(40, window, mask, ids) == pairs


@pytest.mark.parametrize(("window", "count"), [(None, 5), (40, 5), (1, 4)])
def test_both_passes_take_those_pairs_alone(window, count, monkeypatch):
    counts, loop = [], attention_loop._Pairs.loop

    def counted(pairs, *arguments):
        counts.append(pairs.count)
        return loop(pairs, *arguments)

    monkeypatch.setattr(attention_loop._Pairs, "loop", counted)

    def passes(query, key, value, upstream, mask, ids):
        inputs = (query, key, value, (mask, ids), window, 0.5)
        saved = attention_loop.loop_forward(*inputs)
        attention_loop.loop_backward(*inputs, *saved, upstream)
        return counts

    tensors, upstream, _ = random_inputs(64)
    ids = np.zeros((2, 64), "int32")
    ids[:, 32:], ids[0, 50:] = 1, 2
    ids[:, 16:32] = 3  # Blocks of 0, 3, 1 and 1, 2.
    mask = ops.ones((2, 64), "bool")
    received = traced(passes, whole=True)(
        *tensors, upstream, mask, ops.convert_to_tensor(ids)
    )
    assert [int(x) for x in received] == [count, count]


def test_the_switch_of_single_operations_does_not_matter_to_it():
    with op_compilation(False):
        check_whole(attend, 17)
