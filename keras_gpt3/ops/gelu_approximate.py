"""GELU in its tanh form, with a gradient that keeps nothing but its input."""

import math

import keras
from keras import ops

from keras_gpt3.ops.op_compilation import compiled_op
from keras_gpt3.ops.run_after import run_after

_SLOPE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def gelu_approximate(x):
    """The Gaussian error linear unit as GPT-2 and GPT-3 compute it.

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
            return _gradient(run_after(x, upstream), upstream)

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
