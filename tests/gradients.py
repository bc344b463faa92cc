"""Gradients of functions of tensors, on the backend that Keras has."""

import keras
from keras import ops


def gradients(function, *tensors, upstream=None):
    """The gradients of a function with respect to its arguments.

    Args:
        function: callable. Takes the tensors, returns one.
        *tensors: float arrays or tensors.
        upstream: array of the shape of the result. Defaults to `None`, ones:
            the gradients of the sum of the result.

    Returns:
        A list of tensors.
    """
    return value_and_gradients(function, *tensors, upstream=upstream)[1]


def value_and_gradients(function, *tensors, upstream=None):
    """As `gradients`, with the value before them."""
    tensors = [ops.convert_to_tensor(x) for x in tensors]
    if keras.config.backend() == "jax":
        import jax

        value, pull_back = jax.vjp(function, *tensors)
        return value, list(pull_back(_like(value, upstream)))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    found = tape.gradient(
        value,
        tensors,
        output_gradients=_like(value, upstream),
        unconnected_gradients="zero",
    )
    return value, [tf.convert_to_tensor(g) for g in found]


def _like(value, upstream):
    if upstream is None:
        return ops.ones_like(value)
    return ops.cast(ops.convert_to_tensor(upstream), value.dtype)
