import functools

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import causal_attention
from keras_gpt3.ops import op_compilation
from tests.ops.attention_check import check_attention
from tests.ops.attention_check import compiled_functions
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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("length", LENGTHS)
def test_equals_slow_attention(length, masked, dtype):
    with op_compilation(False):
        check_attention(causal_attention, length, dtype, masked)


@compiled_ops
@pytest.mark.parametrize(
    ("length", "dtype", "masked"),
    [
        (1, "float32", False),
        (31, "bfloat16", True),
        (45, "float32", True),
        (100, "float32", False),
    ],
)
def test_compiled_equals_slow_attention(length, dtype, masked):
    check_attention(causal_attention, length, dtype, masked)


@unknown_length
def test_equals_slow_attention_where_the_length_is_not_known():
    graph = tf.function(causal_attention, input_signature=[DYNAMIC] * 3)
    with op_compilation(False):
        for length in LENGTHS:
            check_attention(lambda *x, **_: graph(*x), length)


@unknown_length
def test_compiled_equals_slow_attention_where_the_length_is_not_known():
    check_attention(
        causal_attention,
        45,
        masked=True,
        wrap=functools.partial(tf.function, input_signature=[DYNAMIC] * 3),
    )


def test_equals_slow_attention_where_the_length_is_traced():
    with op_compilation(False):
        check_attention(causal_attention, 45, masked=True, wrap=traced)


def test_takes_a_scale():
    with op_compilation(False):
        check_attention(causal_attention, 45, scale=0.2)


def test_queries_that_see_no_key_return_zeros():
    tensors, upstream, _ = random_inputs(45)
    mask = np.arange(45) >= np.array([[20], [0]])
    with op_compilation(False):
        output, *gradients = forward_and_backward(
            lambda *x: causal_attention(*x, padding_mask=mask),
            tensors,
            upstream,
        )
    output = ops.convert_to_numpy(output)
    assert not output[~mask].any()
    assert output[mask].all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@unknown_length
def test_is_one_compiled_operation_where_the_length_is_not_known():
    specs = [DYNAMIC] * 3
    assert len(compiled_functions(causal_attention, *specs)) == 1
    with op_compilation(False):
        assert not compiled_functions(causal_attention, *specs)


def test_shapes_that_do_not_fit_raise():
    (query, key, value), _, _ = random_inputs(5)
    with pytest.raises(ValueError, match="must share one shape"):
        causal_attention(query, key, value[..., 1:])
    with pytest.raises(ValueError, match="padding_mask must have shape"):
        causal_attention(query, key, value, padding_mask=np.ones((1, 5)))
