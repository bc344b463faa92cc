import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops import gelu_approximate
from keras_gpt3.ops import op_compilation
from tests.ops.attention.attention_check import compiled_functions
from tests.ops.attention.attention_check import element_counts
from tests.ops.attention.attention_check import forward_and_backward
from tests.ops.attention.attention_check import to_float64

# float32 rounds 1 - tanh(...)**2 to 6e-8, which is then multiplied by up to
# 25; bfloat16 rounds values up to 5 to 1/64.
TOLERANCES = {"float32": 4e-6, "bfloat16": 2e-2}
# JAX has no wider type unless all of it is told to.
WIDEST = "float64" if keras.config.backend() == "tensorflow" else "float32"

compiled_ops = pytest.mark.backend(
    "tensorflow", reason="JAX compiles every operation in any case."
)


def stock(x):
    return keras.activations.gelu(ops.cast(x, WIDEST), approximate=True)


@pytest.mark.parametrize(
    "compiled", [pytest.param(True, marks=compiled_ops), False]
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equals_keras_gelu_in_value_and_gradient(dtype, compiled):
    x, upstream = (
        ops.cast(np.linspace(-end, end, 102).reshape(2, 3, 17), dtype)
        for end in (5.0, 1.0)
    )
    with op_compilation(compiled):
        results = forward_and_backward(gelu_approximate, [x], upstream)
    expected = forward_and_backward(stock, [x], upstream)
    for result, value in zip(results, expected, strict=True):
        assert result.dtype == dtype
        np.testing.assert_allclose(
            to_float64(result), to_float64(value), atol=TOLERANCES[dtype]
        )


@pytest.mark.parametrize("x", [-60.0, 60.0])
def test_far_from_zero_the_gradient_is_a_step(x):
    value, gradient = forward_and_backward(
        gelu_approximate, [ops.convert_to_tensor(x)], 1.0
    )
    assert (value, gradient) == ((0.0, 0.0) if x < 0 else (x, 1.0))


@compiled_ops
def test_each_way_is_one_compiled_operation():
    specs = [keras.KerasTensor((3, 5))] * 2

    def both(x, upstream):
        return forward_and_backward(gelu_approximate, [x], upstream)

    names = compiled_functions(both, *specs)
    assert len(names) == 2
    with op_compilation(False):
        assert not compiled_functions(both, *specs)
        assert element_counts(both, *specs)


def test_takes_symbols():
    x = keras.Input((4,))
    assert keras.Model(x, gelu_approximate(x)).output_shape == (None, 4)
