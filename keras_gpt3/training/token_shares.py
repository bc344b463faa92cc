"""What each token of a batch weighs in the mean. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.training.replica_sum import sum_over_replicas


def token_weights(y, sample_weight):
    """The weight of every token in the loss.

    Args:
        y: int tensor of shape `(batch, length)`, the labels.
        sample_weight: `None`, or a tensor of shape `(batch,)` or
            `(batch, length)` of any dtype.

    Returns:
        A float32 tensor of shape `(batch, length)`.
    """
    if sample_weight is None:
        return tf.ones(tf.shape(y), "float32")
    sample_weight = tf.cast(sample_weight, "float32")
    if sample_weight.shape.rank == 1:
        sample_weight = sample_weight[:, tf.newaxis]
    return tf.broadcast_to(sample_weight, tf.shape(y))


def token_shares(y, sample_weight):
    """The share of every token in the mean over the global batch.

    To be called in every replica.

    Args:
        y: as in `token_weights`, the part of this replica.
        sample_weight: as in `token_weights`.

    Returns:
        A pair: a float32 tensor of shape `(batch, length)`, which sums to 1
        over all replicas (to 0 if nothing has a weight), and a float32 scalar,
        the sum of all replicas' weights.
    """
    weights = token_weights(y, sample_weight)
    total_weight = sum_over_replicas(tf.reduce_sum(weights))
    return tf.math.divide_no_nan(weights, total_weight), total_weight
