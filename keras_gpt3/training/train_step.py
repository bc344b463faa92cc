"""One step of training or evaluation on one replica. TensorFlow only.

Losses and gradients are means over all tokens of the global batch: each
replica divides its sums by the weight of all replicas, so that replicas with
unequal shares, an uneven last batch included, still give the one-device
result.
"""

import functools

import keras
import tensorflow as tf

from keras_gpt3.ops.token_cross_entropy import token_cross_entropy
from keras_gpt3.training.apply_gradients import apply_gradients


def train_step(model, data, compile_with_xla):
    """Trains a model on one batch; runs in each replica of the strategy.

    Args:
        model: a compiled `GPT3`.
        data: `(x, y)` or `(x, y, sample_weight)`: the replica's part of the
            batch, as in `keras.Model.fit`.
        compile_with_xla: bool. Whether the arithmetic of the replica, all but
            the exchange between replicas, is compiled as a whole.

    Returns:
        A dict of scalars: the running metrics and the learning rate.
    """
    x, y, sample_weight = _unpack(data)
    weights = token_weights(y, sample_weight)
    total_weight = _sum_over_replicas(tf.reduce_sum(weights))
    arithmetic = functools.partial(_loss_and_gradients, model)
    if compile_with_xla:
        arithmetic = tf.function(arithmetic, jit_compile=True, autograph=False)
    sums, gradients, logits = arithmetic(x, y, weights, total_weight)
    learning_rate = _apply(model, gradients)
    _update_trackers(model, sums, total_weight)
    metrics = _metrics(model, y, logits, sample_weight)
    return metrics | {"learning_rate": learning_rate}


def test_step(model, data):
    """Evaluates a model on one batch; runs in each replica of the strategy.

    Args:
        model: a compiled `GPT3`.
        data: as in `train_step`.

    Returns:
        A dict of scalars, the running metrics.
    """
    x, y, sample_weight = _unpack(data)
    weights = token_weights(y, sample_weight)
    total_weight = _sum_over_replicas(tf.reduce_sum(weights))
    logits = model(x, training=False)
    _update_trackers(model, _loss_sums(y, logits, weights), total_weight)
    return _metrics(model, y, logits, sample_weight)


def train_step_with_compiled_loss(model, data):
    """The step for a user's own loss, through the full logits.

    As Keras' own step, but for the order of averaging and clipping, and that a
    replica counts by its share of the rows.

    Args:
        model: a `GPT3` compiled with a loss.
        data: as in `train_step`.

    Returns:
        A dict of scalars: the running metrics and the learning rate.
    """
    x, y, sample_weight = _unpack(data)
    rows = tf.cast(tf.shape(y)[0], "float32")
    share = tf.math.divide_no_nan(rows, _sum_over_replicas(rows))
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        loss = model._compute_loss(
            x=x, y=y, y_pred=logits, sample_weight=sample_weight, training=True
        )
        # Keras has divided by the number of replicas, as if all were alike. A
        # replica without a row has no mean.
        loss = tf.where(rows > 0, loss * replicas, 0.0)
        scaled = loss * share
    gradients = tape.gradient(scaled, model.trainable_variables)
    learning_rate = _apply(model, gradients)
    model._loss_tracker.update_state(loss, sample_weight=rows)
    metrics = _metrics(model, y, logits, sample_weight)
    return metrics | {"learning_rate": learning_rate}


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


def _unpack(data):
    """Inputs, labels and weights of a batch; there must be labels."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is None:
        raise ValueError(
            "y must be given with token ids. Received: y=None. Pass the ids "
            "shifted by one, as packed_dataset gives them."
        )
    return x, y, sample_weight


def _loss_and_gradients(model, x, y, weights, total_weight):
    """This replica's sums, its share of the mean loss' gradient, its logits.

    The logits are `None` unless metrics of the user's need them.
    """
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        sums = _loss_sums(y, logits, weights)
        loss = tf.math.divide_no_nan(sums[0], total_weight)
    gradients = tape.gradient(loss, model.trainable_variables)
    return sums, gradients, None if model._step.is_fused else logits


def _apply(model, gradients):
    """Updates the model; returns the learning rate of this update."""
    learning_rate = tf.convert_to_tensor(model.optimizer.learning_rate)
    if gradients:  # Else all weights are frozen.
        apply_gradients(model.optimizer, gradients, model.trainable_variables)
    return learning_rate


def _loss_sums(y, logits, weights):
    """Sums over this replica's tokens of the loss and of correct guesses."""
    loss = tf.reduce_sum(token_cross_entropy(y, logits) * weights)
    guesses = tf.argmax(logits, axis=-1, output_type=y.dtype)
    correct = tf.reduce_sum(tf.cast(guesses == y, "float32") * weights)
    return tf.stack([loss, correct])


def _sum_over_replicas(x):
    replica = tf.distribute.get_replica_context()
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, x)


def _update_trackers(model, sums, total_weight):
    """Adds the global batch to the running means, on every replica alike.

    Each replica holds the whole mean, so that the progress bar shows it; when
    Keras sums the trackers over replicas, the factor cancels in the mean.
    """
    loss, correct = tf.unstack(
        tf.math.divide_no_nan(_sum_over_replicas(sums), total_weight)
    )
    model._loss_tracker.update_state(loss, sample_weight=total_weight)
    for tracker in model._step.metrics:  # The accuracy.
        tracker.update_state(correct, sample_weight=total_weight)


def _metrics(model, y, logits, sample_weight):
    """All running metrics, after those of the user's have seen the batch."""
    if model._step.is_fused:
        return model.get_metrics_result()
    return model.compute_metrics(None, y, logits, sample_weight=sample_weight)
