import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.generation import keep_top_k


def slow_keep_top_k(logits, k):
    kept = np.full_like(logits, -1e30)
    for row, scores in enumerate(logits):
        limit = sorted(scores, reverse=True)[: k or None][-1]
        for i, score in enumerate(scores):
            if score >= limit:
                kept[row, i] = score
    return kept


# Rows with and without ties, one of them at the border of what is kept.
LOGITS = np.array(
    [[3, 1, 2, 5, 4], [2, 2, 2, 1, 9], [0, 0, 0, 0, 0], [-1, -2, -3, 7, 1]],
    "float32",
)


@pytest.mark.parametrize("k", [0, 1, 2, 3, 5, 50])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equals_sorting_each_row(k, dtype):
    kept = keep_top_k(ops.cast(LOGITS, dtype), k)
    assert kept.dtype == dtype
    exact = ops.cast(ops.cast(slow_keep_top_k(LOGITS, k), dtype), "float32")
    np.testing.assert_array_equal(ops.cast(kept, "float32"), exact)


def test_takes_the_count_as_a_tensor():
    traced = tf.function(
        keep_top_k,
        input_signature=[
            tf.TensorSpec((None, 5)),
            tf.TensorSpec((), tf.int32),
        ],
    )
    for k in range(6):
        np.testing.assert_array_equal(
            traced(LOGITS, k), slow_keep_top_k(LOGITS, k)
        )


def test_what_is_removed_has_no_probability():
    probabilities = ops.softmax(keep_top_k(LOGITS, 2))
    assert np.count_nonzero(probabilities[0]) == 2
