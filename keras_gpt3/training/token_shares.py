"""What each token of a batch weighs in the mean. TensorFlow only."""

import keras
import tensorflow as tf

from keras_gpt3.training.replica_sum import sum_over_replicas


def unpack_batch(data):
    """Splits a batch; there must be labels.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)`, as in `keras.Model.fit`.

    Returns:
        A tuple `(x, y, sample_weight)`.

    Raises:
        ValueError: If there are no labels.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is None:
        raise ValueError(
            "y must be given with token ids. Received: y=None. Pass the ids "
            "shifted by one, as packed_dataset gives them."
        )
    return x, y, sample_weight


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
