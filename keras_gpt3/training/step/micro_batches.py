"""Gradients of a batch, computed a few rows at a time. TensorFlow only.

Keras accumulates inside the optimizer, over several calls of the step, which
raises under a distribution strategy. Here the loop stands inside the step, on
each replica, before the replicas exchange anything.
"""

import functools

import tensorflow as tf

from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.parallel.step_division import check_micro_batch_divides
from keras_gpt3.parallel.step_division import division_error


def in_micro_batches(function, variables, micro_batch_size, num_sums=2):
    """Make a function of a batch take it in micro-batches."""
    return functools.partial(
        _accumulate, function, variables, int(micro_batch_size), num_sums
    )


def _accumulate(
    function, variables, size, num_sums, x, y, weights, gradient_scale
):
    y = with_checked_rows(y, size)
    rows = tf.shape(y)[0]
    batch = tf.nest.map_structure(
        functools.partial(_split, rows=rows, size=size), (x, y, weights)
    )

    def step(index, sums, totals):
        parts = tf.nest.map_structure(lambda tensor: tensor[index], batch)
        part_sums, gradients, _ = function(*parts, gradient_scale)
        totals = [
            total + tf.cast(tf.convert_to_tensor(gradient), total.dtype)
            for total, gradient in zip(totals, gradients, strict=True)
        ]
        return index + 1, sums + part_sums, totals

    _, sums, totals = tf.while_loop(
        lambda index, *_: index < rows // size,
        step,
        (tf.constant(0), tf.zeros(num_sums), zero_sums(variables)),
        # One after the other: that is what saves the memory.
        parallel_iterations=1,
    )
    return sums, totals, None


def with_checked_rows(y, size):
    """Make labels carry the check that micro-batches divide them."""
    if y.shape[0] is not None:
        check_micro_batch_divides(size, y.shape[0])
        return y
    rows = tf.shape(y)[0]
    before, after = division_error(size)
    return assert_in_graph(y, rows % size == 0, before, rows, after)


def zero_sums(variables):
    """Zeros to add the gradients of variables to."""
    # Not `tf.zeros`, which TensorFlow folds into constants that stay in memory
    # as long as the graph.
    return [
        tf.raw_ops.Empty(shape=v.shape, dtype=_sum_dtype(v.dtype), init=True)
        for v in variables
    ]


def _sum_dtype(dtype):
    """At least float32: 16 bits would soon round what is added to nothing."""
    dtype = tf.as_dtype(dtype)
    return dtype if dtype.size >= 4 else tf.float32


def _split(tensor, rows, size):
    """(B, ...) to (B / size, size, ...)."""
    shape = tf.concat([[rows // size, size], tf.shape(tensor)[1:]], axis=0)
    return tf.ensure_shape(
        tf.reshape(tensor, shape), (None, size, *tensor.shape[1:])
    )
