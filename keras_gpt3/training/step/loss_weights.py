"""What each token of a batch weighs in the mean. TensorFlow only."""

import functools

import keras
import tensorflow as tf

from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.parallel.step_division import check_micro_batch_divides
from keras_gpt3.parallel.step_division import division_error


def loss_weights(y, sample_weight):
    """The weight of every token in the loss."""
    if sample_weight is None:
        return tf.ones(tf.shape(y), "float32")
    sample_weight = tf.cast(sample_weight, "float32")
    if sample_weight.shape.rank == 1:
        sample_weight = sample_weight[:, tf.newaxis]
    return tf.broadcast_to(sample_weight, tf.shape(y))


def normalized_loss_weights(y, sample_weight):
    """The share of every token in the mean over the global batch.

    To be called in every replica.
    """
    weights = loss_weights(y, sample_weight)
    total_weight = sum_over_replicas(tf.reduce_sum(weights))
    return tf.math.divide_no_nan(weights, total_weight), total_weight


def sum_over_replicas(tensors):
    """Add up what every replica holds; to be called in each of them."""
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return tensors
    replica = tf.distribute.get_replica_context()
    if isinstance(tensors, list) and len({x.device for x in tensors}) > 1:
        return replica.merge_call(_sum_where_they_lie, args=(tensors,))
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def _sum_where_they_lie(strategy, tensors):
    """Sums of what is on several devices of each replica.

    `all_reduce` would gather all of it on the first device of the replica, and
    the collectives of a strategy know no other devices than those.
    """
    to_one_device = tf.distribute.ReductionToOneDevice()
    return to_one_device.batch_reduce(
        tf.distribute.ReduceOp.SUM, [(x, x) for x in tensors]
    )


def unpack_batch(data):
    """Split a batch; there must be labels."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is None:
        raise ValueError(
            "y must be given with token ids. Received: y=None. Pass the ids "
            "shifted by one, as packed_dataset returns them."
        )
    return x, y, sample_weight


# Gradients of a batch, computed a few rows at a time. TensorFlow only.
#
# Keras accumulates inside the optimizer, over several calls of the step, which
# raises under a distribution strategy. Here the loop stands inside the step, on
# each replica, before the replicas exchange anything.


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
