"""The mean loss over the tokens of a batch, and what each token weighs in it.

For TensorFlow and JAX, whose steps differ in how gradients are computed.
"""

import keras
from keras import ops

from keras_gpt3.ops.log_probabilities import token_cross_entropy
from keras_gpt3.parallel.replicas import sum_over_replicas


def unpack_batch(data):
    """Split a batch; there must be labels."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is None:
        raise ValueError(
            "y must be given with token ids. Received: y=None. Pass the ids "
            "shifted by one, as packed_dataset returns them."
        )
    return x, y, sample_weight


def loss_weights(y, sample_weight):
    """The weight of every token in the loss, (B, T) in float32."""
    if sample_weight is None:
        return ops.ones(ops.shape(y), "float32")
    sample_weight = ops.cast(sample_weight, "float32")
    if sample_weight.ndim == 1:
        sample_weight = sample_weight[:, None]
    return ops.broadcast_to(sample_weight, ops.shape(y))


def normalized_loss_weights(y, sample_weight):
    """The share of every token in the mean over the global batch.

    Zeros where nothing counts. To be called in every replica.
    """
    weights = loss_weights(y, sample_weight)
    total_weight = sum_over_replicas(ops.sum(weights))
    return ops.divide_no_nan(weights, total_weight), total_weight


def mean_loss(y, logits, sample_weight=None):
    """The loss of the step, for a step of the user's own."""
    _, y, sample_weight = unpack_batch((None, y, sample_weight))
    weights, _ = normalized_loss_weights(y, sample_weight)
    return sums_from_logits(logits, y, weights)[0]


def sums_from_logits(logits, y, weights):
    """Sum loss and correct predictions, given all logits."""
    y = ops.cast(y, "int32")  # Of uint8 and others `argmax` knows nothing.
    loss = ops.sum(token_cross_entropy(y, logits) * weights)
    correct = ops.where(_predictions(logits) == y, weights, 0.0)
    return ops.stack([loss, ops.sum(correct)])


def _predictions(logits):
    """The most likely ids; Keras' own `argmax` copies the logits twice."""
    if keras.config.backend() == "jax":
        from jax import numpy as jnp

        return jnp.argmax(logits, axis=-1)
    import tensorflow as tf

    return tf.argmax(logits, axis=-1, output_type="int32")
