"""The activations of the feed-forward layer, by name."""

import functools

import keras
from keras import ops

from keras_gpt3.echoed_value import echoed
from keras_gpt3.ops.gelu_approximate import gelu_approximate


def _quick_gelu(x):
    """GELU by a sigmoid (Hendrycks and Gimpel 2016)."""
    return x * ops.sigmoid(1.702 * x)


def _relu_squared(x):
    """ReLU, squared (So et al. 2021)."""
    return ops.square(ops.relu(x))


# Keras' own registry has no name for the tanh form of GELU.
_ACTIVATIONS = {
    "gelu_approximate": gelu_approximate,
    "gelu": functools.partial(keras.activations.gelu, approximate=False),
    "quick_gelu": _quick_gelu,
    "relu": keras.activations.relu,
    "relu_squared": _relu_squared,
    "silu": keras.activations.silu,
    "tanh": keras.activations.tanh,
}


def get_activation(name):
    """Looks an activation up by name.

    GPT-3 uses GPT-2's GELU in its tanh form, `"gelu_approximate"`.

    Args:
        name: string. One of `"gelu_approximate"`, `"gelu"`, `"quick_gelu"`,
            `"relu"`, `"relu_squared"`, `"silu"`, `"tanh"`.

    Returns:
        A function from a tensor to a tensor of the same shape and dtype.

    Raises:
        ValueError: If the name is unknown.

    Example:

    ```python
    import keras_gpt3

    keras_gpt3.ops.get_activation("gelu_approximate")(1.0)  # 0.8412
    ```
    """
    if name not in _ACTIVATIONS:
        raise ValueError(
            f"activation must be one of {sorted(_ACTIVATIONS)}. Received: "
            f"activation={echoed(name)}. Use 'gelu_approximate', as GPT-3."
        )
    return _ACTIVATIONS[name]
