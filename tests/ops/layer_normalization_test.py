import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops import layer_normalization
from keras_gpt3.ops import op_compilation
from tests.ops.attention_check import compiled_functions
from tests.ops.attention_check import value_and_gradients

# float32 rounds to 6e-8, and gradients are sums over 6 rows; bfloat16 rounds
# values up to 4 to 1/64.
TOLERANCES = {"float32": 5e-6, "bfloat16": 5e-2}


def stock(x, scale, offset):
    return keras.ops.layer_normalization(x, scale, offset, epsilon=1e-5)


def random_inputs(dtype):
    generator = np.random.default_rng(0)
    shapes = [(2, 3, 40), (40,), (40,), (2, 3, 40)]
    x, *others = (generator.normal(size=shape) for shape in shapes)
    # A mean that is large beside the deviation.
    return [tf.cast(tensor, dtype) for tensor in (x + 3.0, *others)]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equals_keras_normalization_in_value_and_gradients(dtype, compiled):
    *tensors, upstream = random_inputs(dtype)
    with op_compilation(compiled):
        results = value_and_gradients(layer_normalization, tensors, upstream)
    expected = value_and_gradients(stock, tensors, upstream)
    for result, value in zip(results, expected, strict=True):
        assert result.dtype == dtype
        np.testing.assert_allclose(
            tf.cast(result, "float32"),
            tf.cast(value, "float32"),
            atol=TOLERANCES[dtype],
        )


def test_a_constant_row_gives_the_offset():
    x, offset = tf.ones((1, 1, 4)), tf.constant([1.0, 2.0, 3.0, 4.0])
    y = layer_normalization(x, tf.ones(4), offset)
    np.testing.assert_array_equal(y[0, 0], offset)


def test_sums_of_many_rows_do_not_saturate_in_bfloat16():
    x = tf.zeros((1, 2048, 2), "bfloat16")
    one = tf.ones(2, "bfloat16")
    _, _, _, d_offset = value_and_gradients(
        layer_normalization, [x, one, one], tf.ones_like(x)
    )
    np.testing.assert_array_equal(tf.cast(d_offset, "float32"), [2048, 2048])


def test_each_way_is_one_compiled_operation():
    specs = [tf.TensorSpec(s) for s in ((2, 3, 4), (4,), (4,), (2, 3, 4))]

    def both(x, scale, offset, upstream):
        return value_and_gradients(
            layer_normalization, [x, scale, offset], upstream
        )

    assert len(compiled_functions(both, *specs)) == 2
    with op_compilation(False):
        assert not compiled_functions(both, *specs)
