import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops import layer_normalization
from keras_gpt3.ops import op_compilation
from tests.ops.attention.attention_check import compiled_functions
from tests.ops.attention.attention_check import forward_and_backward
from tests.ops.attention.attention_check import to_float64

# float32 rounds to 6e-8, and gradients are sums over 6 rows; bfloat16 rounds
# values up to 4 to 1/64.
TOLERANCES = {"float32": 5e-6, "bfloat16": 5e-2}

compiled_ops = pytest.mark.backend(
    "tensorflow", reason="JAX compiles every operation in any case."
)


def stock(x, scale, offset):
    return ops.layer_normalization(x, scale, offset, epsilon=1e-5)


def random_inputs(dtype):
    generator = np.random.default_rng(0)
    shapes = [(2, 3, 40), (40,), (40,), (2, 3, 40)]
    x, *others = (generator.normal(size=shape) for shape in shapes)
    # A mean that is large beside the deviation.
    return [ops.cast(tensor, dtype) for tensor in (x + 3.0, *others)]


@pytest.mark.parametrize(
    "compiled", [pytest.param(True, marks=compiled_ops), False]
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equals_keras_normalization_in_value_and_gradients(dtype, compiled):
    *tensors, upstream = random_inputs(dtype)
    with op_compilation(compiled):
        results = forward_and_backward(layer_normalization, tensors, upstream)
    expected = forward_and_backward(stock, tensors, upstream)
    for result, value in zip(results, expected, strict=True):
        assert result.dtype == dtype
        np.testing.assert_allclose(
            to_float64(result), to_float64(value), atol=TOLERANCES[dtype]
        )


def test_a_constant_row_gives_the_offset():
    x, offset = ops.ones((1, 1, 4)), ops.array([1.0, 2.0, 3.0, 4.0])
    y = layer_normalization(x, ops.ones(4), offset)
    np.testing.assert_array_equal(y[0, 0], offset)


def test_sums_of_many_rows_do_not_saturate_in_bfloat16():
    x = ops.zeros((1, 2048, 2), "bfloat16")
    one = ops.ones(2, "bfloat16")
    _, _, _, d_offset = forward_and_backward(
        layer_normalization, [x, one, one], ops.ones_like(x)
    )
    np.testing.assert_array_equal(to_float64(d_offset), [2048, 2048])


@compiled_ops
def test_each_way_is_one_compiled_operation():
    specs = [keras.KerasTensor(s) for s in ((2, 3, 4), (4,), (4,), (2, 3, 4))]

    def both(x, scale, offset, upstream):
        return forward_and_backward(
            layer_normalization, [x, scale, offset], upstream
        )

    assert len(compiled_functions(both, *specs)) == 2
    with op_compilation(False):
        assert not compiled_functions(both, *specs)
