"""Functions of tensors, traced and watched, on the backend that Keras has."""

import functools

import keras
import numpy as np

from keras_gpt3.ops.op_compilation import as_graph


def traced(function, whole=False, signature=None):
    """A function of tensors that the backend traces before it runs it.

    Args:
        function: callable on tensors and nests of them.
        whole: bool. Whether XLA compiles it; on JAX it always does. Defaults
            to `False`.
        signature: list of nests of `keras.KerasTensor`. One graph is to serve
            all that fit it; JAX makes one for each shape. Defaults to `None`.
    """
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.config.backend() == "torch":
        return as_graph(function)  # It has none.
    import tensorflow as tf

    if signature is not None:
        signature = keras.tree.map_structure(
            lambda x: tf.TensorSpec(x.shape, x.dtype), signature
        )
    return tf.function(
        function, jit_compile=whole or None, input_signature=signature
    )


def call(function, *args):
    """Calls a function of tensors and numbers.

    JAX, which would compile one loop and branch after the other and forget
    them, compiles it as a whole; numbers are known to it then, too.
    """
    if keras.config.backend() != "jax":
        return function(*args)
    numbers = [i for i, x in enumerate(args) if isinstance(x, (int, float))]
    return _jitted(function, tuple(numbers))(*args)


@functools.cache
def _jitted(function, static_argnums):
    import jax

    return jax.jit(function, static_argnums=static_argnums)


def show(function, *tensors):
    """Shows a function of arrays what stands in tensors, within loops, too."""
    if keras.config.backend() == "jax":
        import jax

        jax.debug.callback(function, *tensors, ordered=True)
    else:  # Outside of a graph.
        function(*map(np.asarray, tensors))


def wait_for_shown():
    """Returns when all is shown."""
    if keras.config.backend() == "jax":
        import jax

        jax.effects_barrier()
