"""Sums over a loop; on TensorFlow, where `keras.ops.scan` fails, its own."""

import keras
from keras import ops

from keras_gpt3.ops.run_after import run_after


def sum_over_slices(function, xs):
    """Adds up what a function gives for one slice after the other.

    The slices are never taken two at a time, so that but one is in memory.
    The first one begins the sums: zeros in their shapes would take memory, and
    time to add to. On TensorFlow, `keras.ops.scan` gives the outputs the
    shapes of the carry, and raises where they differ.
    """
    sums, first = function(*(x[0] for x in xs))
    kept = None if first is None else first[None]
    if xs[0].shape[0] == 1:
        return sums, kept
    if keras.config.backend() != "tensorflow":
        return _scan(function, sums, kept, xs)
    import tensorflow as tf

    # Else the loop would begin beside the first slice.
    xs = tuple(run_after(x, list(sums)) for x in xs)
    steps = tf.shape(xs[0])[0]
    if kept is not None:
        shape = tf.concat([[steps - 1], tf.shape(first)], axis=0)
        kept = tf.concat([kept, tf.zeros(shape, kept.dtype)], axis=0)

    def step(index, sums, kept):
        more, result = function(*(x[index] for x in xs))
        if result is not None:
            # Not a `TensorArray`: XLA cannot stack one of unknown length.
            kept = tf.tensor_scatter_nd_update(kept, [[index]], result[None])
        return index + 1, tuple(map(tf.add, sums, more)), kept

    _, sums, kept = tf.while_loop(
        lambda index, *_: index < steps,
        step,
        (tf.constant(1), tuple(sums), () if first is None else kept),
        parallel_iterations=1,
    )
    return sums, None if first is None else kept


def _scan(function, sums, kept, xs):
    """The other slices with `keras.ops.scan`."""

    def step(sums, slices):
        more, result = function(*slices)
        return tuple(map(ops.add, sums, more)), result

    sums, others = ops.scan(step, tuple(sums), tuple(x[1:] for x in xs))
    return sums, None if kept is None else ops.concatenate([kept, others])
