"""What each token of a batch weighs in the mean. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.training.replica_sum import sum_over_replicas


def token_weights(y, sample_weight):
    """The weight of every token in the loss."""
    if sample_weight is None:
        return tf.ones(tf.shape(y), "float32")
    sample_weight = tf.cast(sample_weight, "float32")
    if sample_weight.shape.rank == 1:
        sample_weight = sample_weight[:, tf.newaxis]
    return tf.broadcast_to(sample_weight, tf.shape(y))


def token_shares(y, sample_weight):
    """The share of every token in the mean over the global batch.

    To be called in every replica.
    """
    weights = token_weights(y, sample_weight)
    total_weight = sum_over_replicas(tf.reduce_sum(weights))
    return tf.math.divide_no_nan(weights, total_weight), total_weight
