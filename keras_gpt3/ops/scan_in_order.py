"""`keras.ops.scan`, as it should be on TensorFlow, which has its own here."""

import keras
from keras import ops


def scan_in_order(function, carry, xs, dtype=None):
    """Calls a function on one slice after the other, never on two at once.

    As `keras.ops.scan`. On TensorFlow that one gives the kept results the
    shapes and dtypes of the carried tensors, and so raises for others.

    Args:
        function: callable. Takes the carried tensors and a tuple of slices;
            returns the new carried tensors and a tensor to keep, or `None`.
        carry: tuple of tensors. What the first call is given.
        xs: tuple of tensors. All have the same first axis, the steps.
        dtype: string. The dtype of the tensors to keep. Defaults to `None`,
            there are none.

    Returns:
        A pair of the last carried tensors, and the kept ones in a new first
        axis, or `None`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.ops.scan_in_order import scan_in_order

    def add(carry, slices):
        total = carry[0] + slices[0]
        return (total,), total

    xs = np.array([1, 2, 3], "int32")
    carry, sums = scan_in_order(add, (0,), (xs,), "int32")
    # carry: (6,), sums: [1, 3, 6]
    ```
    """
    xs = tuple(ops.convert_to_tensor(x) for x in xs)
    carry = tuple(ops.convert_to_tensor(x) for x in carry)
    if keras.config.backend() != "tensorflow":
        return ops.scan(function, carry, xs)
    import tensorflow as tf

    steps = tf.shape(xs[0])[0]

    def step(index, carry, kept):
        carry, result = function(carry, tuple(x[index] for x in xs))
        if result is not None:
            kept = kept.write(index, result)
        return index + 1, carry, kept

    kept = () if dtype is None else tf.TensorArray(dtype, steps)
    _, carry, kept = tf.while_loop(
        lambda index, *_: index < steps,
        step,
        (tf.constant(0), carry, kept),
        parallel_iterations=1,
    )
    return carry, None if dtype is None else kept.stack()
