import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import banded_attention
from keras_gpt3.ops import causal_attention
from keras_gpt3.ops import op_compilation
from tests.ops.attention.attention_check import check_attention
from tests.ops.attention.attention_check import compiled_functions
from tests.ops.attention.attention_check import element_counts
from tests.ops.attention.attention_check import forward_and_backward
from tests.ops.attention.attention_check import random_inputs
from tests.ops.attention.attention_check import two_rows_of_segments
from tests.ops.attention.slow_attention import slow_attention
from tests.ops.compiled_programs import num_loops
from tests.ops.compiled_programs import program
from tests.tracing import traced

# === Attention ===


LENGTHS = (1, 31, 45, 64, 100)
DYNAMIC = tf.TensorSpec((None, None, 2, 4))

compiled_ops = pytest.mark.backend(
    "tensorflow", reason="JAX compiles every operation in any case."
)
unknown_length = pytest.mark.backend(
    "tensorflow", reason="JAX knows the length whenever it traces."
)


def attention(query, key, value, window=None, **arguments):
    """Either function, as its oracle has it."""
    if window is None:
        return causal_attention(query, key, value, **arguments)
    return banded_attention(query, key, value, window, **arguments)


def windows(length):
    """Dense, narrow, two blocks wide, all but one key, all keys, beyond."""
    narrow = sorted({1, 7, 33, length - 1, length, length + 20} - {0})
    return [None, *narrow]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.quick_cases(4)
def test_equals_slow_attention_at_every_window(length, masked, dtype):
    with op_compilation(False):
        for window in windows(length):
            check_attention(attention, length, dtype, masked, window=window)


@compiled_ops
@pytest.mark.parametrize(
    ("length", "window", "dtype", "masked"),
    [
        (1, None, "float32", False),
        (31, None, "bfloat16", True),
        (45, None, "float32", True),
        (100, None, "float32", False),
        (1, 1, "float32", False),
        (31, 1, "bfloat16", True),
        (45, 7, "float32", True),
        (64, 63, "float32", False),
        (100, 33, "bfloat16", False),
    ],
)
def test_compiled_equals_slow_attention(length, window, dtype, masked):
    check_attention(attention, length, dtype, masked, window=window)


@unknown_length
@pytest.mark.parametrize("window", [None, 1, 7, 33, 120])
@pytest.mark.quick_cases(2)
def test_equals_slow_attention_where_the_length_is_not_known(window):
    graph = tf.function(
        functools.partial(attention, window=window),
        input_signature=[DYNAMIC] * 3,
    )
    with op_compilation(False):
        for length in LENGTHS:
            check_attention(lambda *x, **_: graph(*x), length, window=window)


@unknown_length
@pytest.mark.parametrize("window", [None, 7])
def test_compiled_equals_slow_attention_where_the_length_is_not_known(window):
    check_attention(
        attention,
        45,
        masked=True,
        wrap=functools.partial(tf.function, input_signature=[DYNAMIC] * 3),
        window=window,
    )


@pytest.mark.parametrize("window", [None, 7])
def test_equals_slow_attention_where_the_length_is_traced(window):
    with op_compilation(False):
        check_attention(attention, 45, masked=True, wrap=traced, window=window)


@pytest.mark.parametrize("window", [None, 7])
def test_takes_a_scale(window):
    with op_compilation(False):
        check_attention(attention, 45, window=window, scale=0.2)


@pytest.mark.parametrize("window", [None, 1, 7])
def test_queries_that_see_no_key_return_zeros(window):
    tensors, upstream, _ = random_inputs(45)
    mask, blind = np.ones((2, 45), "bool"), np.zeros((2, 45), "bool")
    if window is None:
        mask[0, :20], blind[0, :20] = False, True
    else:
        mask[0, 20:40], blind[0, 20 + window - 1 : 40] = False, True
    with op_compilation(False):
        output, *gradients = forward_and_backward(
            lambda *x: attention(*x, window, padding_mask=mask),
            tensors,
            upstream,
        )
    output = ops.convert_to_numpy(output)
    assert not output[blind].any()
    assert output[~blind].all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("window", [None, 1500])
@pytest.mark.quick_cases(1)
def test_sums_beyond_float16_do_not_overflow(window, whole):
    # 2048 times 40 would be above 65504, the largest of them.
    shape = (1, 2048, 1, 8)
    zeros, value = ops.zeros(shape, "float16"), ops.full(shape, 40.0, "float16")

    def attend(*tensors):
        return attention(*tensors, window)

    attend = traced(attend, whole=True) if whole else attend
    # The mean of equal values. Equal weights are rounded alike, by at most a
    # 2048th, and so is the result.
    np.testing.assert_allclose(attend(zeros, zeros, value), 40.0, rtol=2 / 2048)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("window", [None, 1, 7, 100])
@pytest.mark.quick_cases(4)
def test_equals_slow_attention_within_segments(window, masked, dtype):
    with op_compilation(False):
        check_attention(
            attention,
            *(45, dtype, masked),
            window=window,
            segment_ids=two_rows_of_segments(45),
        )


@unknown_length
@pytest.mark.parametrize("window", [None, 1, 7, 33])
def test_segments_are_known_where_the_length_is_not(window):
    ids = tf.TensorSpec((None, None), "int32")
    graph = tf.function(
        lambda *x: attention(*x[:3], window, segment_ids=x[3]),
        input_signature=[DYNAMIC] * 3 + [ids],
    )
    for length in (31, 64):
        segments = two_rows_of_segments(length)
        check_attention(
            lambda *x, **_: graph(*x, segments),  # noqa: B023
            length,
            window=window,
            segment_ids=segments,
        )


@pytest.mark.parametrize("window", [None, 3])
def test_one_segment_is_no_segments(window):
    tensors, _, mask = random_inputs(20, masked=True)
    received, expected = (
        attention(*tensors, window, padding_mask=mask, segment_ids=ids)
        for ids in (np.full((2, 20), 7), None)
    )
    np.testing.assert_array_equal(received, expected)


# === Which way it runs ===


@unknown_length
@pytest.mark.parametrize("window", [None, 7])
def test_is_one_compiled_operation_where_the_length_is_not_known(window):
    function = functools.partial(attention, window=window)
    assert len(compiled_functions(function, *[DYNAMIC] * 3)) == 1
    with op_compilation(False):
        assert not compiled_functions(function, *[DYNAMIC] * 3)


@pytest.mark.parametrize("window", [None, 7, 45, 100])
def test_is_one_loop_where_xla_sees_the_whole_program(window):
    x = ops.ones((2, 45, 2, 4))
    assert num_loops(program(lambda x: attention(x, x, x, window), x)) == 1


def counts(function, length):
    """Elements of the tensors in a step on one head of width 4."""
    with op_compilation(False):
        return element_counts(
            lambda *x: forward_and_backward(function, x[:3], x[3]),
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
    # A block: 128 queries, and of keys those that they see or, in a loop, 128.
    keys = 128 if keras.config.backend() == "jax" else 143
    assert max(counts(banded_16, 512)) == 128 * keys
    assert max(counts(masked_dense, 512)) >= 512 * 512


@compiled_ops
def test_work_grows_with_the_length_and_not_with_its_square():
    def growth(function):
        return sum(counts(function, 1024)) / sum(counts(function, 512))

    # The first block sees less than the others.
    assert growth(banded_16) == pytest.approx(2, abs=0.05)
    assert growth(masked_dense) > 3.9


# === Errors ===


@pytest.mark.parametrize("window", [0, -3, 2.0, True, None])
def test_a_window_that_is_no_count_of_keys_raises(window):
    tensors, _, _ = random_inputs(3)
    with pytest.raises(
        ValueError,
        match=r"^window must be an integer of at least 1\. Received: "
        rf"window={window}\. Use dense attention to see every earlier key\.$",
    ):
        banded_attention(*tensors, window)


@pytest.mark.parametrize("window", [None, 2])
def test_shapes_that_do_not_fit_raise(window):
    (query, key, value), _, _ = random_inputs(5)
    with pytest.raises(ValueError, match="must share one shape"):
        attention(query, key[:, 1:], value, window)
    with pytest.raises(ValueError, match="must share one shape"):
        attention(query, key, value[..., 1:], window)
    with pytest.raises(ValueError, match="padding_mask must have shape"):
        attention(query, key, value, window, padding_mask=np.ones((2, 4)))
    with pytest.raises(ValueError, match="segment_ids must be integers of"):
        attention(query, key, value, window, segment_ids=np.ones((2, 4), "int"))


# === Slow attention ===


@pytest.mark.parametrize("window", [1, 3, None])
def test_gradients_of_the_oracle_equal_central_differences(window):
    generator = np.random.default_rng(0)
    *tensors, upstream = generator.normal(size=(4, 2, 5, 2, 3))
    masks = {
        "padding_mask": generator.random((2, 5)) < 0.7,
        "segment_ids": np.array([[0, 0, 0, 1, 1], [4, 5, 5, 5, 5]]),
    }

    def total(tensors):
        output = slow_attention(*tensors, upstream, window, **masks)[0]
        return (output * upstream).sum()

    gradients = slow_attention(*tensors, upstream, window, **masks)
    for which, gradient in enumerate(gradients[1:]):
        direction = generator.normal(size=gradient.shape)
        ahead, behind = (
            tensors[:which]
            + [tensors[which] + step * direction]
            + tensors[which + 1 :]
            for step in (1e-5, -1e-5)
        )
        slope = (total(ahead) - total(behind)) / 2e-5
        assert slope == pytest.approx((gradient * direction).sum(), abs=1e-8)
