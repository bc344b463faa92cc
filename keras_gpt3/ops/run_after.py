"""The order of operations, which TensorFlow and JAX's compiler leave open."""

import math

import keras
from keras import ops

from keras_gpt3.ops.op_compilation import has_gpu


def run_after(x, others):
    """Gives `x` to those who use it, but not before `others` are computed.

    TensorFlow runs an operation as soon as its inputs are there. What a
    backward pass computes again from the inputs of the forward pass would be
    computed right then, and wait in memory until it is needed. The compiler of
    JAX would find that it is computed twice, and keep it from the first time
    on.

    Args:
        x: tensor.
        others: tensor, or a list of tensors.

    Returns:
        A tensor equal to `x`.

    Example:

    ```python
    from keras import ops
    from keras_gpt3.ops.run_after import run_after

    run_after(ops.ones(2), ops.zeros(2))  # [1., 1.]
    ```
    """
    if keras.config.backend() == "jax":
        return _run_after_in_jax(x, others)
    import tensorflow as tf

    with tf.control_dependencies(tf.nest.flatten(others)):
        return tf.identity(x)


def _run_after_in_jax(x, others):
    """The same where JAX traces; what is not traced runs in order."""
    import jax

    if not isinstance(x, jax.core.Tracer):
        return x
    others = jax.tree.leaves(others)
    if has_gpu():
        return jax.lax.optimization_barrier((x, others))[0]
    # For CPUs, XLA drops such barriers before it looks for what is computed
    # twice. So `x` depends on numbers: nothing is below minus infinity.
    for other in others:
        number = ops.cast(_numbers(other, x.shape), "float32")
        x = x + ops.cast(number < -math.inf, x.dtype)
    return x


def _numbers(other, shape):
    """What can be added to a tensor of a shape: one number, or a few.

    Axes of equal size stay, as they may be split over devices in the same way.
    """
    if len(other.shape) != len(shape):
        return ops.ravel(other)[0]
    sizes = zip(other.shape, shape, strict=True)
    return other[tuple(slice(a if a == b else 1) for a, b in sizes)]
