"""Functions of tensors that the backend traces before it runs them."""

import keras

from keras_gpt3.ops.op_compilation import as_graph


def traced(function, whole=False):
    """A function that becomes a graph, of TensorFlow or of JAX.

    Args:
        function: callable. Takes tensors by position.
        whole: bool. Whether XLA compiles it as a whole; JAX always does.
            Defaults to `False`.

    Returns:
        A callable with the arguments of `function`.
    """
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.config.backend() == "torch":
        return as_graph(function)  # It has none.
    import tensorflow as tf

    return tf.function(function, jit_compile=whole or None)


def at_once(function):
    """A function that JAX compiles: each operation alone takes longer."""
    return traced(function) if keras.config.backend() == "jax" else function
