"""The order of operations, which TensorFlow and XLA leave open."""

import math

import keras
from keras import ops

from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.ops.op_compilation import in_xla_program
from keras_gpt3.ops.op_compilation import is_eager_backend


def with_dependencies(x, others):
    """Return tensors that exist only once others are computed.

    TensorFlow runs an operation as soon as its inputs are there. What a
    backward pass computes again from the inputs of the forward pass would be
    computed right then, and wait in memory until it is needed. XLA would find
    that it is computed twice, and keep it from the first time on.
    """
    if not isinstance(x, (tuple, list)):
        return with_dependencies((x,), others)[0]
    xs, others = tuple(x), keras.tree.flatten(others)
    if not others or is_eager_backend():
        return xs
    if keras.config.backend() == "jax":
        import jax

        if not any(isinstance(x, jax.core.Tracer) for x in (*xs, *others)):
            return xs  # What is not traced runs in order.
        if has_gpu():
            return jax.lax.optimization_barrier((xs, others))[0]
        return tuple(_with_numbers_of(others, x) for x in xs)
    import tensorflow as tf

    if in_xla_program():
        if has_gpu():
            return tuple(_barrier((*xs, *others))[: len(xs)])
        return tuple(_with_numbers_of(others, x) for x in xs)
    with tf.control_dependencies(others):
        return tuple(map(tf.identity, xs))


def _barrier(tensors):
    """Tensors of which XLA knows none before all are there; in TensorFlow.

    Gradients pass as they come, which TensorFlow's own operation lacks.
    """
    import tensorflow as tf
    from tensorflow.compiler.tf2xla.python import xla

    @tf.custom_gradient
    def barrier(*tensors):
        return xla.optimization_barrier(*tensors), lambda *upstream: upstream

    return barrier(*tensors)


def _with_numbers_of(others, x):
    """`x`, made to depend on a few numbers of each other tensor.

    For CPUs, XLA drops barriers before it looks for what is computed twice.
    Nothing is below minus infinity.
    """
    for other in others:
        number = ops.cast(_numbers(other, x.shape), "float32")
        x = x + ops.cast(number < -math.inf, x.dtype)
    return x


def _numbers(other, shape):
    """What can be added to a tensor of a shape: one number, or a few.

    Axes of equal size stay, as they may be split over devices in the same way.
    """
    if len(other.shape) != len(shape) or None in (*other.shape, *shape):
        return ops.ravel(other)[0]
    sizes = zip(other.shape, shape, strict=True)
    return other[tuple(slice(a if a == b else 1) for a, b in sizes)]
