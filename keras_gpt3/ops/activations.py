"""The activations of the feed-forward layer, by name."""

import functools
import math

import keras
from keras import ops

from keras_gpt3.argument_checks import echoed
from keras_gpt3.ops.op_compilation import compiled_op
from keras_gpt3.ops.with_dependencies import with_dependencies

_SLOPE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def gelu_approximate(x):
    """Compute the Gaussian error linear unit as GPT-2 and GPT-3 do.

    `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, equation 2 of
    Hendrycks and Gimpel 2016. Computed in float32, as one compiled operation
    each way; the backward pass starts again from `x`, so that training keeps
    one array where Keras' own keeps seven.

    Args:
        x: tensor of any shape and float dtype.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    ```python
    import keras_gpt3

    keras_gpt3.ops.gelu_approximate([-1.0, 0.0, 1.0])  # [-0.1588, 0, 0.8412]
    ```
    """
    if isinstance(x, keras.KerasTensor):
        return _value(x)
    return _gelu(ops.convert_to_tensor(x))


def _gelu(x):
    @ops.custom_gradient
    def gelu(x):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            # Else JAX keeps what it computes of `x` until then.
            return _gradient(with_dependencies(x, upstream), upstream)

        return _value(x), gradient

    return gelu(x)


@compiled_op
def _value(x):
    y = ops.cast(x, "float32")
    bend = ops.tanh(_SLOPE * (y + _CUBIC * y * y * y))
    return ops.cast(0.5 * y * (1.0 + bend), x.dtype)


@compiled_op
def _gradient(x, upstream):
    y = ops.cast(x, "float32")
    bend = ops.tanh(_SLOPE * (y + _CUBIC * y * y * y))
    inner = _SLOPE * (1.0 + 3.0 * _CUBIC * y * y)
    slope = 0.5 * (1.0 + bend) + 0.5 * y * (1.0 - bend * bend) * inner
    return ops.cast(slope * ops.cast(upstream, "float32"), x.dtype)


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
    """Look an activation up by name.

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
