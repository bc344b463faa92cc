import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import banded_attention
from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.banded_attention import block_length
from tests.ops.attention_check import check_attention
from tests.ops.attention_check import compiled_functions
from tests.ops.attention_check import element_counts
from tests.ops.attention_check import forward_and_backward
from tests.ops.attention_check import random_inputs
from tests.tracing import traced

LENGTHS = (1, 31, 45, 64, 100)
DYNAMIC = tf.TensorSpec((None, None, 2, 4))

compiled_ops = pytest.mark.backend(
    "tensorflow", reason="JAX compiles every operation in any case."
)
unknown_length = pytest.mark.backend(
    "tensorflow", reason="JAX knows the length whenever it traces."
)


def windows(length):
    """Narrow, two blocks wide, all but one key, all keys, beyond."""
    return sorted({1, 7, 33, length - 1, length, length + 20} - {0})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("length", LENGTHS)
def test_equals_slow_attention_at_every_window(length, masked, dtype):
    with op_compilation(False):
        for window in windows(length):
            check_attention(
                banded_attention, length, dtype, masked, window=window
            )


@compiled_ops
@pytest.mark.parametrize(
    ("length", "window", "dtype", "masked"),
    [
        (1, 1, "float32", False),
        (31, 1, "bfloat16", True),
        (45, 7, "float32", True),
        (64, 63, "float32", False),
        (100, 33, "bfloat16", False),
    ],
)
def test_compiled_equals_slow_attention(length, window, dtype, masked):
    check_attention(banded_attention, length, dtype, masked, window=window)


@unknown_length
@pytest.mark.parametrize("window", [1, 7, 33, 120])
def test_equals_slow_attention_where_the_length_is_not_known(window):
    @functools.partial(tf.function, input_signature=[DYNAMIC] * 3)
    def graph(query, key, value):
        return banded_attention(query, key, value, window)

    with op_compilation(False):
        for length in LENGTHS:
            check_attention(lambda *x, **_: graph(*x), length, window=window)


@unknown_length
def test_compiled_equals_slow_attention_where_the_length_is_not_known():
    check_attention(
        banded_attention,
        45,
        masked=True,
        wrap=functools.partial(tf.function, input_signature=[DYNAMIC] * 3),
        window=7,
    )


def test_equals_slow_attention_where_the_length_is_traced():
    with op_compilation(False):
        check_attention(
            banded_attention, 45, masked=True, wrap=traced, window=7
        )


def test_takes_a_scale():
    with op_compilation(False):
        check_attention(banded_attention, 45, window=7, scale=0.2)


@pytest.mark.parametrize("window", [1, 7])
def test_queries_that_see_no_key_return_zeros(window):
    tensors, upstream, _ = random_inputs(45)
    mask = np.ones((2, 45), "bool")
    mask[0, 20:40] = False
    with op_compilation(False):
        output, *gradients = forward_and_backward(
            lambda *x: banded_attention(*x, window, padding_mask=mask),
            tensors,
            upstream,
        )
    output = ops.convert_to_numpy(output)
    blind = np.zeros((2, 45), "bool")
    blind[0, 20 + window - 1 : 40] = True
    assert not output[blind].any()
    assert output[~blind].all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@unknown_length
def test_is_one_compiled_operation_where_the_length_is_not_known():
    def attention(query, key, value):
        return banded_attention(query, key, value, 7)

    assert len(compiled_functions(attention, *[DYNAMIC] * 3)) == 1
    with op_compilation(False):
        assert not compiled_functions(attention, *[DYNAMIC] * 3)


def counts(attention, length):
    """Elements of the tensors in a step on one head of width 4."""
    with op_compilation(False):
        return element_counts(
            lambda *x: forward_and_backward(attention, x[:3], x[3]),
            *[keras.KerasTensor((1, length, 1, 4))] * 4,
        )


def banded_16(query, key, value):
    return banded_attention(query, key, value, window=16)


def masked_dense(query, key, value):
    """The band as a mask on all scores: what must not happen."""
    positions = ops.arange(query.shape[1])
    distance = positions[:, None] - positions[None, :]
    band = (distance >= 0) & (distance < 16)
    return ops.dot_product_attention(query, key, value, mask=band[None, None])


def test_no_array_has_length_by_length_elements():
    # A block: 128 queries and the 143 keys that they see.
    assert max(counts(banded_16, 512)) == 128 * 143
    assert max(counts(masked_dense, 512)) >= 512 * 512


def test_work_grows_with_the_length_and_not_with_its_square():
    def growth(attention):
        return sum(counts(attention, 1024)) / sum(counts(attention, 512))

    # The first block sees less than the others.
    assert growth(banded_16) == pytest.approx(2, abs=0.05)
    assert growth(masked_dense) > 3.9


@pytest.mark.parametrize(
    ("window", "length"),
    [(1, 32), (64, 32), (65, 64), (256, 128), (5000, 128)],
)
def test_block_is_half_a_window_within_bounds(window, length):
    assert block_length(window) == length


@pytest.mark.parametrize("window", [0, -3, 2.0, True, None])
def test_a_window_that_is_no_count_of_keys_raises(window):
    tensors, _, _ = random_inputs(3)
    with pytest.raises(
        ValueError,
        match=r"^window must be an integer of at least 1\. Received: "
        rf"window={window}\. Use dense attention to see every earlier key\.$",
    ):
        banded_attention(*tensors, window)


def test_shapes_that_do_not_fit_raise():
    (query, key, value), _, _ = random_inputs(5)
    with pytest.raises(ValueError, match="must share one shape"):
        banded_attention(query, key[:, 1:], value, 2)
    with pytest.raises(ValueError, match="padding_mask must have shape"):
        banded_attention(query, key, value, 2, padding_mask=np.ones((2, 4)))
