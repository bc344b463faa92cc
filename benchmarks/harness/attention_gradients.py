"""The forward and backward pass of an attention function, as one program."""

import keras


def forward_and_backward(attend, jit_compile=True):
    """Makes a program of an attention function and its gradients.

    Args:
        attend: callable on query, key, value and perhaps a mask.
        jit_compile: bool or `None`. Whether XLA compiles TensorFlow's graph as
            a whole; JAX always does. Defaults to `True`.

    Returns:
        A callable on query, key, value, the gradient of the output and perhaps
        a mask. It returns the output and the gradients of the first three.
    """
    if keras.config.backend() == "jax":
        import jax

        @jax.jit
        def in_jax(query, key, value, upstream, *mask):
            output, pull_back = jax.vjp(
                lambda *x: attend(*x, *mask), query, key, value
            )
            return output, *pull_back(upstream)

        return in_jax
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile, autograph=False)
    def in_tensorflow(query, key, value, upstream, *mask):
        inputs = (query, key, value)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = attend(*inputs, *mask)
        gradients = tape.gradient(output, inputs, output_gradients=upstream)
        return output, *gradients

    return in_tensorflow
