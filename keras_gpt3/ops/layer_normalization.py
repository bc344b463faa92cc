"""Layer normalization, with a gradient that keeps nothing but its input."""

from keras import ops

from keras_gpt3.ops.op_compilation import compiled_op
from keras_gpt3.ops.with_dependencies import with_dependencies


def layer_normalization(x, scale, offset, epsilon=1e-5):
    """Normalize the last axis to mean 0 and variance 1, then scale it.

    Ba et al. 2016, computed in float32 as one compiled operation each way.
    The backward pass starts again from `x` and the two moments of each row.

    Args:
        x: tensor of shape `(batch, length, hidden_dim)`, any float dtype.
        scale: tensor of shape `(hidden_dim,)`.
        offset: tensor of shape `(hidden_dim,)`.
        epsilon: float. Added to the variance. Defaults to `1e-5`.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    x = np.random.normal(size=(2, 3, 4)).astype("float32")
    one, zero = np.ones(4, "float32"), np.zeros(4, "float32")
    y = keras_gpt3.ops.layer_normalization(x, one, zero)  # (2, 3, 4)
    ```
    """
    epsilon = float(epsilon)

    @ops.custom_gradient
    def normalize(x, scale, offset):
        y, mean, inverse = _normalize(x, scale, offset, epsilon=epsilon)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            # Else JAX keeps what it computes of `x` until then.
            start = with_dependencies(x, upstream)
            return _gradient(start, mean, inverse, scale, upstream)

        return y, gradient

    # Copies, as TensorFlow requires more where it is given variables.
    return normalize(ops.convert_to_tensor(x), *map(ops.copy, (scale, offset)))


@compiled_op
def _normalize(x, scale, offset, *, epsilon):
    """The result, and mean and inverse deviation of each row."""
    y = ops.cast(x, "float32")
    mean = ops.mean(y, axis=-1, keepdims=True)
    centred = y - mean
    variance = ops.mean(centred * centred, axis=-1, keepdims=True)
    inverse = ops.rsqrt(variance + epsilon)
    result = centred * inverse * ops.cast(scale, "float32")
    result = result + ops.cast(offset, "float32")
    return ops.cast(result, x.dtype), mean, inverse


@compiled_op
def _gradient(x, mean, inverse, scale, upstream):
    """The gradients of `x`, `scale` and `offset`, the last two summed."""
    dtype, axes = scale.dtype, tuple(range(len(x.shape) - 1))
    upstream = ops.cast(upstream, "float32")
    normal = (ops.cast(x, "float32") - mean) * inverse
    d_normal = upstream * ops.cast(scale, "float32")
    d_x = inverse * (
        d_normal
        - ops.mean(d_normal, axis=-1, keepdims=True)
        - normal * ops.mean(d_normal * normal, axis=-1, keepdims=True)
    )
    d_scale = ops.cast(ops.sum(upstream * normal, axes), dtype)
    d_offset = ops.cast(ops.sum(upstream, axes), dtype)
    return ops.cast(d_x, x.dtype), d_scale, d_offset
