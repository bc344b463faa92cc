"""`keras.ops.scan`, as it should be on TensorFlow, which has its own here."""

import keras
from keras import ops


def scan_in_order(function, carry, xs, kept=None):
    """Calls a function on one slice after the other, never on two at once.

    As `keras.ops.scan`, but that it joins the results that it keeps. On
    TensorFlow `scan` gives those the shapes and dtypes of the carried tensors,
    and so raises for others.

    Args:
        function: callable. Takes the carried tensors and a tuple of slices;
            returns the new carried tensors and a tensor to keep, or `None`.
        carry: tuple of tensors. What the first call is given.
        xs: tuple of tensors. All have the same first axis, the steps.
        kept: `keras.KerasTensor`. The shape and dtype of a tensor to keep, its
            first axis `None`. Defaults to `None`, there are none.

    Returns:
        A pair of the last carried tensors, and the kept ones joined on their
        first axis, or `None`.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_gpt3.ops.scan_in_order import scan_in_order

    def add(carry, slices):
        total = carry[0] + slices[0]
        return (total,), total[None]

    xs = np.array([1, 2, 3], "int32")
    kept = keras.KerasTensor((None,), "int32")
    carry, sums = scan_in_order(add, (0,), (xs,), kept)
    # carry: (6,), sums: [1, 3, 6]
    ```
    """
    xs = tuple(ops.convert_to_tensor(x) for x in xs)
    carry = tuple(ops.convert_to_tensor(x) for x in carry)
    if xs[0].shape[0] == 0:
        if kept is not None:
            kept = ops.zeros((0, *kept.shape[1:]), kept.dtype)
        return carry, kept
    if keras.config.backend() != "tensorflow":
        carry, results = ops.scan(function, carry, xs)
        if kept is not None:
            results = ops.reshape(results, (-1, *kept.shape[1:]))
        return carry, results
    import tensorflow as tf

    steps = tf.shape(xs[0])[0]

    def step(index, carry, results):
        carry, result = function(carry, tuple(x[index] for x in xs))
        if result is not None:
            results = results.write(index, result)
        return index + 1, carry, results

    results = ()
    if kept is not None:
        results = tf.TensorArray(
            kept.dtype, steps, element_shape=kept.shape, infer_shape=False
        )
    _, carry, results = tf.while_loop(
        lambda index, *_: index < steps,
        step,
        (tf.constant(0), carry, results),
        parallel_iterations=1,
    )
    return carry, None if kept is None else results.concat()
