import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import banded_attention
from keras_gpt3.ops import cached_attention
from keras_gpt3.ops import causal_attention
from keras_gpt3.ops import op_compilation
from tests.ops.attention_check import random_inputs

LENGTH = 13


def full_attention(tensors, window):
    with op_compilation(False):
        if window is None:
            return causal_attention(*tensors, scale=0.4)
        return banded_attention(*tensors, window, scale=0.4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("window", [None, 1, 4, LENGTH, LENGTH + 5])
def test_equals_the_rows_of_full_attention_at_every_start(window, dtype):
    tensors, _, _ = random_inputs(LENGTH, dtype)
    exact = ops.cast(full_attention(tensors, window), "float32")
    query, *cache = tensors
    for start in range(LENGTH):
        for stop in {start + 1, LENGTH}:
            rows = cached_attention(
                query[:, start:stop], *cache, start, window, scale=0.4
            )
            assert rows.dtype == dtype
            # One rounding of values around 1 apart, from another order of
            # sums.
            np.testing.assert_allclose(
                ops.cast(rows, "float32"),
                exact[:, start:stop],
                atol={"float32": 5e-7, "bfloat16": 1 / 64}[dtype],
            )


def test_never_sees_what_the_cache_holds_behind_the_queries():
    (query, key, value), _, _ = random_inputs(LENGTH)
    rows = cached_attention(query[:, 3:5], key, value, 3)
    garbage = np.full((2, LENGTH - 5, 2, 4), 1e9, "float32")
    key, value = (
        ops.concatenate([x[:, :5], garbage], axis=1) for x in (key, value)
    )
    again = cached_attention(query[:, 3:5], key, value, 3)
    np.testing.assert_array_equal(rows, again)


def test_takes_the_start_as_a_tensor_and_scales_by_the_root_of_the_width():
    tensors, _, _ = random_inputs(LENGTH)
    query, *cache = tensors

    @tf.function(input_signature=[tf.TensorSpec((), tf.int32)])
    def last_row(start):
        return cached_attention(query[:, -1:], *cache, start)

    with op_compilation(False):
        exact = causal_attention(*tensors)[:, -1:]
    np.testing.assert_allclose(last_row(LENGTH - 1), exact, atol=5e-7)
