"""Sums over the replicas of a strategy. TensorFlow only."""

import tensorflow as tf


def sum_over_replicas(tensors):
    """Adds up what every replica holds; to be called in each of them.

    Args:
        tensors: a tensor or a list of tensors.

    Returns:
        The sums, on every replica; what there is where there is but one.
    """
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return tensors
    replica = tf.distribute.get_replica_context()
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, tensors)
