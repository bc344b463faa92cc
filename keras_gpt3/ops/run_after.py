"""The order of operations, which only a TensorFlow graph leaves open."""

import keras


def run_after(x, others):
    """Gives `x` to those who use it, but not before `others` are computed.

    TensorFlow runs an operation as soon as its inputs are there. What a
    backward pass computes again from the inputs of the forward pass would be
    computed right then, and wait in memory until it is needed.

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
    if keras.config.backend() != "tensorflow":
        return x
    import tensorflow as tf

    with tf.control_dependencies(tf.nest.flatten(others)):
        return tf.identity(x)
