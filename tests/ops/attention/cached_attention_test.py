import math
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops import cached_attention
from keras_gpt3.ops.attention.attention_shapes import by_head
from keras_gpt3.ops.attention.attention_shapes import check_cache_shapes
from keras_gpt3.ops.attention.cached_attention import ring_attention
from keras_gpt3.ops.attention.cached_attention import ring_size
from keras_gpt3.ops.op_compilation import jit_compile
from tests.ops.attention.attention_check import exact_attention
from tests.ops.attention.attention_check import random_inputs
from tests.ops.attention.attention_check import to_float64
from tests.tracing import at_once
from tests.tracing import traced

# === Cached attention ===


LENGTH = 9


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("window", [None, 1, 4, LENGTH, LENGTH + 5])
@pytest.mark.quick_cases(5)
def test_equals_the_rows_of_slow_attention_at_every_start(window, dtype):
    tensors, _, _ = random_inputs(LENGTH, dtype)
    exact = exact_attention(tensors, window=window, scale=0.4)
    query = ops.convert_to_numpy(tensors[0])
    cache = list(map(by_head, tensors[1:]))

    @at_once
    def attend(query, start):
        return cached_attention(
            query, *cache, start, np.arange(LENGTH), window, scale=0.4
        )

    for start in range(LENGTH):
        for stop in {start + 1, LENGTH}:
            rows = attend(query[:, start:stop], start)
            assert rows.dtype == dtype
            # Roundings of weights and values around 1: measured 3e-7 and
            # 0.005.
            np.testing.assert_allclose(
                to_float64(rows),
                exact[:, start:stop],
                atol={"float32": 5e-7, "bfloat16": 1e-2}[dtype],
            )


def test_sees_positions_and_neither_later_ones_nor_empty_slots():
    (query, key, value), _, _ = random_inputs(LENGTH)
    key, value = (ops.convert_to_numpy(by_head(x)) for x in (key, value))
    rows = cached_attention(query[:, 3:5], key, value, 3, np.arange(LENGTH))
    order = np.random.default_rng(0).permutation(LENGTH)
    shuffled = [np.take(x, order, axis=2) for x in (key, value)]
    again = cached_attention(query[:, 3:5], *shuffled, 3, order)
    # The same sums in another order.
    np.testing.assert_allclose(rows, again, atol=5e-7)
    positions = np.where(order < 5, order, -1)
    garbage = [
        np.where(positions[:, None] < 0, np.float32(1e9), x) for x in shuffled
    ]
    again = cached_attention(query[:, 3:5], *garbage, 3, positions)
    np.testing.assert_allclose(rows, again, atol=5e-7)


@pytest.mark.parametrize(
    ("query", "key", "value", "positions"),
    [
        ((2, 1, 3, 4), (2, 5, 3, 4), (2, 5, 3, 4), (5,)),  # Not by head.
        ((2, 1, 3, 4), (2, 3, 5, 4), (2, 3, 6, 4), (5,)),
        ((2, 1, 3, 4), (2, 3, 5, 4), (2, 3, 5, 4), (6,)),
        ((2, 1, 3, 4), (2, 3, 5, 4), (2, 3, 5, 4), (2, 6)),
        ((2, 1, 3, 4), (2, 3, 5, 4), (2, 3, 5, 4), (3, 5)),
        ((1, 1, 3, 4), (2, 3, 5, 4), (2, 3, 5, 4), (5,)),
        ((2, 1, 12), (2, 3, 5, 4), (2, 3, 5, 4), (5,)),
    ],
)
def test_shapes_that_do_not_fit_raise(query, key, value, positions):
    message = (
        "query must have shape (batch, queries, heads, head_dim), key and "
        "value (batch, heads, slots, head_dim), and key_positions (slots,) or "
        f"(batch, slots). Received: shapes={[query, key, value, positions]}. "
        "Bring the heads of the cache before its positions."
    )
    *tensors, positions = map(np.ones, (query, key, value, positions))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        cached_attention(*tensors, 4, positions)


def test_each_row_may_have_positions_of_its_own():
    (query, key, value), _, _ = random_inputs(LENGTH)
    query = ops.convert_to_numpy(query)[:, 3:5]
    key, value = (ops.convert_to_numpy(by_head(x)) for x in (key, value))
    rows = len(query)
    positions = [np.roll(np.arange(LENGTH), row) for row in range(rows)]
    found = cached_attention(query, key, value, 3, np.stack(positions))
    for row in range(rows):
        alone = (x[row : row + 1] for x in (query, key, value))
        expected = cached_attention(*alone, 3, positions[row])
        # Other kernels for other sizes of a batch.
        np.testing.assert_allclose(found[row : row + 1], expected, atol=5e-7)


def test_shapes_that_are_not_known_fit():
    query = keras.KerasTensor((None, 1, 3, 4))
    cache = keras.KerasTensor((2, 3, None, 4))
    positions = keras.KerasTensor((5,), "int32")
    check_cache_shapes(query, cache, cache, positions)


@pytest.mark.parametrize("window", [0, 2.5, True])
def test_a_window_below_one_key_raises(window):
    query, cache = np.ones((2, 1, 3, 4)), np.ones((2, 3, 5, 4))
    with pytest.raises(ValueError, match="^window must be an integer of at le"):
        cached_attention(query, cache, cache, 4, np.arange(5), window)


def test_takes_the_start_as_a_tensor_and_scales_by_the_root_of_the_width():
    tensors, _, _ = random_inputs(LENGTH)
    query, *cache = tensors

    @traced
    def last_row(start):
        return cached_attention(
            query[:, -1:], *map(by_head, cache), start, ops.arange(LENGTH)
        )

    exact = exact_attention(tensors)[:, -1:]
    np.testing.assert_allclose(
        last_row(ops.convert_to_tensor(LENGTH - 1)), exact, atol=5e-7
    )


# === Ring attention ===


RING_LENGTH = 13


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("window", [None, 1, 4, RING_LENGTH + 5])
@pytest.mark.parametrize("xla", [True, False])
@pytest.mark.parametrize("chunk", [1, 5])
@pytest.mark.quick_cases(10)
def test_chunk_after_chunk_equals_slow_attention(window, dtype, chunk, xla):
    tensors, _, _ = random_inputs(RING_LENGTH, dtype)
    exact = exact_attention(tensors, window=window)
    batch, _, heads, width = tensors[0].shape
    ring = ops.zeros(
        (batch, heads, ring_size(RING_LENGTH, window), width),
        dtype,
    )
    rings = (ring, ring)

    def attend(query, key, value, rings, start):
        return ring_attention(query, key, value, rings, start, window=window)

    attend = jit_compile(attend) if xla else attend
    for start in range(0, RING_LENGTH, chunk):
        here = [x[:, start : start + chunk] for x in tensors]
        row, rings = attend(*here, rings, ops.convert_to_tensor(start))
        assert row.dtype == dtype
        # Roundings of weights and values around 1: measured 3e-7 and 0.005.
        np.testing.assert_allclose(
            to_float64(row),
            exact[:, start : start + chunk],
            atol={"float32": 5e-7, "bfloat16": 1e-2}[dtype],
        )


@pytest.mark.parametrize("window", [None, 1, 4])
@pytest.mark.parametrize("xla", [True, False])
@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.quick_cases(4)
def test_rows_at_positions_of_their_own_attend_as_they_would_alone(
    window, xla, chunk
):
    tensors, _, _ = random_inputs(RING_LENGTH)
    exact = exact_attention(tensors, window=window)
    tensors = [ops.convert_to_numpy(x) for x in tensors]
    batch, _, heads, width = tensors[0].shape
    # Room for what a later chunk replaces.
    size = ring_size(RING_LENGTH, window and window + chunk - 1)
    ring = ops.zeros((batch, heads, size, width))
    rings = (ring, ring)

    def attend(query, key, value, rings, start):
        return ring_attention(query, key, value, rings, start, window=window)

    attend = jit_compile(attend) if xla else attend
    starts = np.zeros(batch, "int32")
    while starts.max() + chunk <= RING_LENGTH:
        places = starts[:, None] + np.arange(chunk)
        here = [x[np.arange(batch)[:, None], places] for x in tensors]
        rows, rings = attend(*here, rings, ops.convert_to_tensor(starts))
        for row in range(batch):
            np.testing.assert_allclose(
                rows[row], exact[row, places[row]], atol=5e-7
            )
        # A row goes on by less than a chunk: the rest is written again.
        starts = starts + 1 + np.arange(batch, dtype="int32") % chunk


def test_what_the_ring_holds_beside_visible_positions_does_not_matter():
    (query, key, value), _, _ = random_inputs(1)
    batch, _, heads, width = query.shape
    empty = ops.zeros((batch, heads, 6, width))
    garbage = ops.full((batch, heads, 6, width), 1e9)
    expected, _ = ring_attention(query, key, value, (empty,) * 2, 0)
    received, after = ring_attention(query, key, value, (garbage,) * 2, 0)
    np.testing.assert_array_equal(received, expected)
    np.testing.assert_array_equal(after[0][:, :, 1:], garbage[:, :, 1:])


def test_a_position_is_written_where_attention_is_not_a_number():
    (query, key, value), _, _ = random_inputs(1)
    batch, _, heads, width = query.shape
    ring = ops.zeros((batch, heads, 6, width))
    _, after = ring_attention(query * np.nan, key, value, (ring, ring), start=2)
    np.testing.assert_array_equal(
        after[0][:, :, 2], ops.transpose(key, (0, 2, 1, 3))[:, :, 0]
    )


def optimized_code(function, *arguments):
    """What XLA makes of a function."""
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function).lower(*arguments).compile().as_text()
    compiled = jit_compile(function)
    return compiled.experimental_get_compiler_ir(*arguments)(
        stage="optimized_hlo"
    )


def test_a_loop_copies_no_ring_within():
    shape, slots = (1, 1, 4, 64), 2048

    def decode(query, ring):
        def body(index, row, rings):
            row, rings = ring_attention(row, row, row, rings, index)
            return index + 1, row, rings

        state = (ops.zeros((), "int32"), query, (ring, ring))
        return ops.while_loop(lambda index, *_: index < 9, body, state)[1]

    code = optimized_code(
        decode, ops.ones(shape), ops.zeros((1, shape[2], slots, shape[3]))
    )
    # A computation begins at the left edge; the entry may copy what it is
    # given, once.
    loops = [
        part
        for part in re.split(r"\n(?=\S)", code)
        if not part.startswith("ENTRY")
    ]
    copied = re.findall(r"f32\[([\d,]+)\]\S* copy\(", "".join(loops))
    sizes = [math.prod(map(int, sizes.split(","))) for sizes in copied]
    # A copy of the scores, one number for each slot, does not matter.
    assert max(sizes, default=0) <= shape[2] * slots
