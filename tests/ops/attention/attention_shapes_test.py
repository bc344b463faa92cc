import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops import masked_softmax
from keras_gpt3.ops.attention.attention_shapes import by_head
from keras_gpt3.ops.attention.attention_shapes import check_attention_shapes
from keras_gpt3.ops.attention.attention_shapes import check_window
from keras_gpt3.ops.attention.attention_shapes import visible_keys
from tests.gradients import gradients

# === Attention shapes ===


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


def test_a_query_sees_no_key_of_another_segment():
    queries, keys = np.array([2, 4]), np.arange(6)
    ids = np.array([[5, 5, 6, 6, 6, 9], [1, 2, 2, 2, 2, 2]])
    for window in (None, 2):
        expected = visible_keys(queries, keys, window) & (
            ids[:, queries, None] == ids[:, None]
        )
        visible = visible_keys(
            queries, keys, window, segments=(ids[:, queries], ids)
        )
        assert visible.shape == (2, 1, 2, 6)
        np.testing.assert_array_equal(visible[:, 0], expected)


@pytest.mark.parametrize(
    ("ids", "received"),
    [
        (np.ones((2, 4), "int32"), "segment_ids.shape=(2, 4), dtype=int32"),
        (np.ones((2, 5), "float32"), "segment_ids.shape=(2, 5), dtype=float32"),
    ],
)
def test_segments_of_another_shape_or_type_raise(ids, received):
    message = (
        "segment_ids must be integers of shape (batch, length) = (2, 5). "
        f"Received: {received}. Pass the number of its document for each "
        "position."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_attention_shapes(*[np.ones(SHAPE)] * 3, segment_ids=ids)


def test_a_window_is_named_as_the_caller_names_it():
    check_window(np.int64(1))
    with pytest.raises(
        ValueError,
        match=r"^attention_window must be an integer of at least 1\. "
        r"Received: attention_window=0\. Use dense attention",
    ):
        check_window(0, "attention_window")


# === By head ===


def test_a_row_lies_under_its_head_and_again_under_its_position():
    x = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    swapped = by_head(x)
    assert swapped.shape == (2, 4, 3, 5)
    for b, t, h in np.ndindex(2, 3, 4):
        np.testing.assert_array_equal(swapped[b, h, t], x[b, t, h])
    np.testing.assert_array_equal(by_head(swapped), x)


# === Masked softmax ===


def slow_softmax(scores, visible):
    weights = np.zeros(scores.shape)
    for row in np.ndindex(scores.shape[:-1]):
        seen = np.flatnonzero(visible[row])
        exponents = [np.exp(scores[row][j]) for j in seen]
        weights[(*row, seen)] = exponents / np.sum(exponents)
    return weights


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_equals_a_softmax_over_the_visible_entries_alone(dtype):
    generator = np.random.default_rng(0)
    scores = ops.cast(generator.normal(size=(3, 4, 9)), dtype)
    visible = generator.random((3, 4, 9)) < 0.5
    visible[1, 2] = False
    weights = masked_softmax(scores, visible)
    assert weights.dtype == "float32"
    exact = slow_softmax(np.asarray(scores, "float64"), visible)
    # The scores are exact; the softmax is float32 whatever their dtype.
    np.testing.assert_allclose(weights, exact, atol=2e-7)
    assert not ops.convert_to_numpy(weights)[~visible].any()


def test_the_mask_broadcasts():
    scores = np.zeros((2, 3, 4), "float32")
    weights = masked_softmax(scores, np.array([True, False, True, False]))
    np.testing.assert_array_equal(weights, scores + [0.5, 0, 0.5, 0])


def test_huge_scores_neither_overflow_nor_hide():
    scores = np.array([[1e38, 1e38, -1e38], [-1e38, -1e38, 0]], "float32")
    visible = np.array([[True, True, True], [True, True, False]])
    weights = masked_softmax(scores, visible)
    np.testing.assert_array_equal(weights, [[0.5, 0.5, 0], [0.5, 0.5, 0]])


def test_gradient_is_the_softmaxs_own_and_zero_where_nothing_is_visible():
    generator = np.random.default_rng(0)
    scores, upstream = generator.normal(size=(2, 4, 6)).astype("float32")
    visible = generator.random((4, 6)) < 0.6
    visible[2] = False
    (received,) = gradients(
        lambda x: masked_softmax(x, visible), scores, upstream=upstream
    )
    weights = slow_softmax(scores.astype("float64"), visible)
    means = (weights * upstream).sum(-1, keepdims=True)
    exact = weights * (upstream - means)
    np.testing.assert_allclose(received, exact, atol=5e-7)
