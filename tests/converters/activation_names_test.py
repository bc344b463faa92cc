import math
import re

import numpy as np
import pytest

from keras_gpt3.converters.checkpoint_family import our_activation
from keras_gpt3.converters.checkpoint_family import their_activation
from keras_gpt3.ops.activations import get_activation


def tanh_gelu(x):
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + np.tanh(inner))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def exact_gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


# As transformers defines them.
DEFINITIONS = {
    "gelu_new": tanh_gelu,
    "gelu_pytorch_tanh": tanh_gelu,
    "gelu_python_tanh": tanh_gelu,
    "gelu_accurate": tanh_gelu,
    "gelu_fast": lambda x: (
        0.5 * x * (1 + np.tanh(x * 0.7978845608 * (1 + 0.044715 * x * x)))
    ),
    "gelu": exact_gelu,
    "gelu_python": exact_gelu,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * sigmoid(x),
    "swish": lambda x: x * sigmoid(x),
    "tanh": np.tanh,
    "quick_gelu": lambda x: x * sigmoid(1.702 * x),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_each_name_is_the_function_that_transformers_means(name):
    x = np.linspace(-5, 5, 101)
    y = get_activation(our_activation(name))(x.astype("float32"))
    # float32 rounding of values up to 25.
    np.testing.assert_allclose(y, DEFINITIONS[name](x), atol=2e-6, rtol=1e-6)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_what_is_written_is_read_as_the_same_function(name):
    ours = our_activation(name)
    assert our_activation(their_activation(ours)) == ours


def test_gelu_approximate_is_written_as_gpt2_calls_it():
    assert their_activation("gelu_approximate") == "gelu_new"


@pytest.mark.parametrize("name", ["gelu_10", "mish", "GELU", ""])
def test_an_unknown_activation_is_named_with_those_known(name):
    message = (
        f"activation_function must be one of {sorted(DEFINITIONS)}. Received: "
        f"activation_function={name!r}. Convert a checkpoint with one of these."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        our_activation(name)


def test_an_activation_without_a_name_of_theirs_raises():
    message = "Received: activation='mish'. Export a model with one of these."
    with pytest.raises(ValueError, match=re.escape(message)):
        their_activation("mish")
