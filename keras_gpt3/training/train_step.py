"""One step of training or evaluation on one replica. TensorFlow only.

Losses and gradients are means over all tokens of the global batch: each
replica divides its sums by the weight of all replicas, so that replicas with
unequal shares, an uneven last batch included, still give the one-device
result.
"""

import functools

import tensorflow as tf

from keras_gpt3.training.apply_gradients import apply_gradients
from keras_gpt3.training.labelled_batch import unpack_batch
from keras_gpt3.training.loss_and_gradients import chunked_sums
from keras_gpt3.training.loss_and_gradients import whole_sums
from keras_gpt3.training.loss_scaling import scale_loss
from keras_gpt3.training.replica_gradients import replica_gradients
from keras_gpt3.training.replica_sum import sum_over_replicas
from keras_gpt3.training.token_shares import token_shares


def train_step(model, data):
    """Trains a model on one batch; runs in each replica of the strategy.

    Args:
        model: a compiled `GPT3`.
        data: `(x, y)` or `(x, y, sample_weight)`: the replica's part of the
            batch, as in `keras.Model.fit`.

    Returns:
        A dict of scalars: the running metrics and the learning rate.
    """
    x, y, sample_weight = unpack_batch(data)
    shares, total_weight = token_shares(y, sample_weight)
    has_weights = sample_weight is not None
    compute = replica_gradients(model, weighted_only=has_weights)
    gradient_scale = scale_loss(model.optimizer, tf.ones(()))
    sums, gradients, logits = compute(x, y, shares, gradient_scale)
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
    x, y, sample_weight = unpack_batch(data)
    shares, total_weight = token_shares(y, sample_weight)
    logits = None
    if model._step.needs_logits(model):
        logits = model(x, training=False)
        sums = whole_sums(logits, y, shares)
    else:
        has_weights = sample_weight is not None
        sums = chunked_sums(model, x, y, shares, has_weights)
    _update_trackers(model, sums, total_weight)
    return _metrics(model, y, logits, sample_weight)


def train_step_with_compiled_loss(model, data):
    """The step for a user's own loss, through the full logits.

    As Keras' own step, but for the order of averaging and clipping, and that a
    replica counts by its share of the rows. Loss and gradients run op by op
    unless `jit_compile=True` was asked for: XLA cannot take every loss.

    Args:
        model: a `GPT3` compiled with a loss.
        data: as in `train_step`.

    Returns:
        A dict of scalars: the running metrics and the learning rate.
    """
    x, y, sample_weight = unpack_batch(data)
    rows = tf.cast(tf.shape(y)[0], "float32")
    share = tf.math.divide_no_nan(rows, sum_over_replicas(rows))
    compute = functools.partial(_gradients_of_compiled_loss, model)
    # On demand alone: "auto" must not refuse a loss that XLA cannot take.
    if model._step.jit_compile is True and not model.run_eagerly:
        compute = tf.function(compute, jit_compile=True, autograph=False)
    loss, logits, gradients = compute(x, y, sample_weight, rows, share)
    learning_rate = _apply(model, gradients)
    model._loss_tracker.update_state(loss, sample_weight=rows)
    metrics = _metrics(model, y, logits, sample_weight)
    return metrics | {"learning_rate": learning_rate}


def _gradients_of_compiled_loss(model, x, y, sample_weight, rows, share):
    """The loss of a replica's rows, its logits, and its share of gradients."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        loss = model._compute_loss(
            x=x, y=y, y_pred=logits, sample_weight=sample_weight, training=True
        )
        # Keras computes it in `floatx`.
        loss = tf.cast(loss, "float32")
        # Keras has divided by the number of replicas, as if all were alike. A
        # replica without a row has no mean.
        loss = tf.where(rows > 0, loss * replicas, 0.0)
        scaled = scale_loss(model.optimizer, loss * share)
    gradients = tape.gradient(scaled, model.trainable_variables)
    return loss, logits, gradients


def _apply(model, gradients):
    """Updates the model; returns the learning rate of this update."""
    learning_rate = tf.cast(model.optimizer.learning_rate, "float32")
    if gradients:  # Else all weights are frozen.
        apply_gradients(model.optimizer, gradients, model.trainable_variables)
    return learning_rate


def _update_trackers(model, sums, total_weight):
    """Adds the global batch to the running means, on every replica alike.

    Each replica holds the whole mean, so that the progress bar shows it; when
    Keras sums the trackers over replicas, the factor cancels in the mean.
    """
    loss, correct = tf.unstack(sum_over_replicas(sums))
    model._loss_tracker.update_state(loss, sample_weight=total_weight)
    model._step.track(loss, correct, total_weight)


def _metrics(model, y, logits, sample_weight):
    """All running metrics, after those of the user's have seen the batch."""
    if model._step.is_fused:
        return model.get_metrics_result()
    return model.compute_metrics(None, y, logits, sample_weight=sample_weight)
