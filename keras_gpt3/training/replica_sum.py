"""Sums over the replicas of a strategy. TensorFlow only."""

import tensorflow as tf


def sum_over_replicas(tensors):
    """Adds up what every replica holds; to be called in each of them."""
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return tensors
    replica = tf.distribute.get_replica_context()
    if isinstance(tensors, list) and len({x.device for x in tensors}) > 1:
        return replica.merge_call(_sum_where_they_lie, args=(tensors,))
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def _sum_where_they_lie(strategy, tensors):
    """Sums of what lies on several devices of each replica.

    `all_reduce` would gather all of it on the first device of the replica, and
    the collectives of a strategy know no other devices than those.
    """
    to_one_device = tf.distribute.ReductionToOneDevice()
    return to_one_device.batch_reduce(
        tf.distribute.ReduceOp.SUM, [(x, x) for x in tensors]
    )
