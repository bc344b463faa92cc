import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops import gelu_approximate
from keras_gpt3.ops import op_compilation
from tests.ops.attention_check import compiled_functions
from tests.ops.attention_check import element_counts
from tests.ops.attention_check import value_and_gradients

# float32 rounds 1 - tanh(...)**2 to 6e-8, which is then multiplied by up to
# 25; bfloat16 rounds values up to 5 to 1/64.
TOLERANCES = {"float32": 4e-6, "bfloat16": 2e-2}


def stock(x):
    return keras.activations.gelu(tf.cast(x, "float64"), approximate=True)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equals_keras_gelu_in_value_and_gradient(dtype, compiled):
    x = tf.cast(tf.reshape(tf.linspace(-5.0, 5.0, 102), (2, 3, 17)), dtype)
    upstream = tf.cast(tf.reshape(tf.linspace(-1.0, 1.0, 102), x.shape), dtype)
    with op_compilation(compiled):
        results = value_and_gradients(gelu_approximate, [x], upstream)
    expected = value_and_gradients(stock, [x], tf.cast(upstream, "float64"))
    for result, value in zip(results, expected, strict=True):
        assert result.dtype == dtype
        np.testing.assert_allclose(
            tf.cast(result, "float32"),
            tf.cast(value, "float32"),
            atol=TOLERANCES[dtype],
        )


@pytest.mark.parametrize("x", [-60.0, 60.0])
def test_far_from_zero_the_gradient_is_a_step(x):
    value, gradient = value_and_gradients(
        gelu_approximate, [tf.constant(x)], tf.constant(1.0)
    )
    assert (value, gradient) == ((0.0, 0.0) if x < 0 else (x, 1.0))


def test_each_way_is_one_compiled_operation():
    specs = [tf.TensorSpec((3, 5))] * 2

    def both(x, upstream):
        return value_and_gradients(gelu_approximate, [x], upstream)

    names = compiled_functions(both, *specs)
    assert len(names) == 2
    with op_compilation(False):
        assert not compiled_functions(both, *specs)
        assert element_counts(both, *specs)


def test_takes_symbols():
    x = keras.Input((4,))
    assert keras.Model(x, gelu_approximate(x)).output_shape == (None, 4)
