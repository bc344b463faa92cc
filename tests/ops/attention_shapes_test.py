import re

import keras
import numpy as np
import pytest

from keras_gpt3.ops.attention_shapes import check_attention_shapes
from keras_gpt3.ops.attention_shapes import check_window
from keras_gpt3.ops.attention_shapes import visible_keys

SHAPE = (2, 5, 3, 4)


def test_accepts_what_fits_where_it_is_known():
    known = np.ones(SHAPE)
    unknown = keras.KerasTensor((None, None, 3, 4))
    check_attention_shapes(known, unknown, known, np.ones((2, 5)))
    check_attention_shapes(unknown, unknown, unknown, np.ones((9, 9)))


@pytest.mark.parametrize(
    "shapes",
    [
        (SHAPE, (2, 6, 3, 4), SHAPE),
        (SHAPE, SHAPE, (2, 5, 3, 8)),
        (SHAPE, SHAPE, (2, 5, 12)),
        ((2, 5, 12),) * 3,
    ],
)
def test_tensors_of_different_shapes_raise(shapes):
    message = (
        "query, key and value must share one shape (batch, length, heads, "
        f"head_dim). Received: shapes={list(shapes)}. Reshape or project them "
        "to the same shape."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_attention_shapes(*map(np.ones, shapes))


@pytest.mark.parametrize("shape", [(2, 4), (1, 5), (5,), (2, 1, 1, 5)])
def test_a_mask_of_another_shape_raises(shape):
    message = (
        "padding_mask must have shape (batch, length) = (2, 5). Received: "
        f"padding_mask.shape={shape}. Pass one bool for each key, True where "
        "it is visible."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_attention_shapes(*[np.ones(SHAPE)] * 3, np.ones(shape))


@pytest.mark.parametrize("window", [None, 1, 3, 9])
def test_a_query_sees_the_last_keys_of_its_row_that_are_not_padding(window):
    queries, keys = np.array([4, 0, 7]), np.arange(6)
    mask = np.array([[True] * 6, [False, True, True, False, True, True]])
    for row in (None, *mask):
        expected = [
            [
                0 <= i - j < (window or 10) and (row is None or row[j])
                for j in keys
            ]
            for i in queries
        ]
        visible = visible_keys(queries, keys, window, row)
        np.testing.assert_array_equal(np.squeeze(visible), expected)
    # A mask of rows brings an axis of rows, and one of heads.
    assert visible_keys(queries, keys, window, mask).shape == (2, 1, 3, 6)


def test_a_window_is_named_as_the_caller_names_it():
    check_window(np.int64(1))
    with pytest.raises(
        ValueError,
        match=r"^attention_window must be an integer of at least 1\. "
        r"Received: attention_window=0\. Use dense attention",
    ):
        check_window(0, "attention_window")
