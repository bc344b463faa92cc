import math
import re

import numpy as np
import pytest

from keras_gpt3.ops import get_activation


def gelu(x):
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def gelu_approximate(x):
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return x * (1 + math.tanh(inner)) / 2


def relu(x):
    return max(x, 0.0)


def relu_squared(x):
    return max(x, 0.0) ** 2


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def silu(x):
    return x * sigmoid(x)


def quick_gelu(x):
    return x * sigmoid(1.702 * x)


def tanh(x):
    return math.tanh(x)


@pytest.mark.parametrize(
    "exact",
    [gelu, gelu_approximate, quick_gelu, relu, relu_squared, silu, tanh],
)
def test_equals_its_formula(exact):
    x = np.linspace(-4, 4, 17, dtype="float32")
    y = get_activation(exact.__name__)(x)
    # float32 rounding of values up to 4; the two GELUs differ by 5e-4.
    np.testing.assert_allclose(y, [exact(v) for v in x.tolist()], atol=2e-6)


def test_an_unknown_name_raises():
    message = (
        "activation must be one of ['gelu', 'gelu_approximate', 'quick_gelu', "
        "'relu', 'relu_squared', 'silu', 'tanh']. Received: "
        "activation='gelu_new'. Use 'gelu_approximate', as GPT-3."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        get_activation("gelu_new")
