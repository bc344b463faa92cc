import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops import cached_attention
from keras_gpt3.ops.attention_shapes import by_head
from tests.ops.attention_check import exact_attention
from tests.ops.attention_check import random_inputs
from tests.ops.attention_check import to_float64
from tests.tracing import at_once
from tests.tracing import traced

LENGTH = 9


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("window", [None, 1, 4, LENGTH, LENGTH + 5])
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
