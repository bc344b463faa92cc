"""One step of training or evaluation on one replica. TensorFlow only.

Losses and gradients are means over all tokens of the global batch: each
replica divides its sums by the weight of all replicas, so that replicas with
unequal shares, an uneven last batch included, still give the one-device
result.
"""

import functools

import keras
import tensorflow as tf

from keras_gpt3.parallel.replicas import sum_over_replicas
from keras_gpt3.training.step.apply_gradients import apply_gradients
from keras_gpt3.training.step.loss_and_gradients import chunked_sums
from keras_gpt3.training.step.loss_scaling import scale_loss
from keras_gpt3.training.step.mean_loss import normalized_loss_weights
from keras_gpt3.training.step.mean_loss import sums_from_logits
from keras_gpt3.training.step.mean_loss import unpack_batch
from keras_gpt3.training.step.replica_gradients import replica_gradients


def train_step(model, data):
    """Train a model on one batch; run in each replica of the strategy."""
    x, y, sample_weight = unpack_batch(data)
    weights, total_weight = normalized_loss_weights(y, sample_weight)
    has_weights = sample_weight is not None
    compute = replica_gradients(model, weighted_only=has_weights)
    gradient_scale = scale_loss(model.optimizer, tf.ones(()))
    sums, gradients, logits = compute(x, y, weights, gradient_scale)
    if not model.optimizer.built:  # Variables cannot depend on the batch.
        model.optimizer.build(model.trainable_variables)
    # Else an optimizer counts a step whose check of micro-batches fails.
    with tf.control_dependencies([sums]):
        learning_rate = _apply(model, gradients)
    _update_trackers(model, sums, total_weight)
    metrics = _metrics(model, y, logits, sample_weight)
    return metrics | {"learning_rate": learning_rate}


def test_step(model, data):
    """Evaluate a model on one batch; run in each replica of the strategy."""
    x, y, sample_weight = unpack_batch(data)
    weights, total_weight = normalized_loss_weights(y, sample_weight)
    logits = None
    if model.compiled_step.needs_logits(model):
        logits = model(x, training=False)
        sums = sums_from_logits(logits, y, weights)
    else:
        has_weights = sample_weight is not None
        sums = chunked_sums(model, x, y, weights, has_weights)
    _update_trackers(model, sums, total_weight)
    return _metrics(model, y, logits, sample_weight)


def train_step_with_compiled_loss(model, data):
    """The step for a user's own loss, through the full logits.

    As Keras' own step, but for the order of averaging and clipping, and that a
    replica counts by its share of what the loss is a mean over. Loss and
    gradients run op by op unless `jit_compile=True` was requested: XLA cannot
    take every loss.
    """
    x, y, sample_weight = unpack_batch(data)
    rows, factor = _rows_and_factor(model, y, sample_weight)
    compute = functools.partial(_gradients_of_compiled_loss, model)
    # On demand alone: "auto" must not refuse a loss that XLA cannot take.
    if model.compiled_step.jit_compile is True and not model.run_eagerly:
        compute = tf.function(compute, jit_compile=True, autograph=False)
    loss, logits, gradients = compute(x, y, sample_weight, rows, factor)
    learning_rate = _apply(model, gradients)
    _update_loss_tracker(model, loss, rows)
    metrics = _metrics(model, y, logits, sample_weight)
    return metrics | {"learning_rate": learning_rate}


def test_step_with_compiled_loss(model, data):
    """As `test_step` for a user's own loss."""
    x, y, sample_weight = unpack_batch(data)
    rows, factor = _rows_and_factor(model, y, sample_weight)
    loss, logits = _compiled_loss(
        model, x, y, sample_weight, rows, factor, training=False
    )
    _update_loss_tracker(model, loss, rows)
    return _metrics(model, y, logits, sample_weight)


def _rows_and_factor(model, y, sample_weight):
    """A replica's rows, and what makes its loss its part of the batch's.

    Keras divides means by the number of replicas, as if all were alike, and
    leaves sums as they are.
    """
    rows = tf.cast(tf.shape(y)[0], "float32")
    # As `CompileLoss` resolves it: a function gets the default, a mean.
    loss = getattr(model._compile_loss, "_user_loss", None)
    loss = keras.tree.flatten(loss)[0]
    reduction = getattr(keras.losses.get(loss), "reduction", "mean")
    if reduction in ("sum", "none", None):
        return rows, tf.ones(())
    count = rows
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        count = tf.reduce_sum(tf.cast(sample_weight, "float32"))
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    share = tf.math.divide_no_nan(count, sum_over_replicas(count))
    return rows, share * replicas


def _compiled_loss(model, x, y, sample_weight, rows, factor, training):
    """A replica's part of the loss of the batch, and its logits."""
    logits = model(x, training=training)
    loss = model._compute_loss(
        x=x, y=y, y_pred=logits, sample_weight=sample_weight, training=training
    )
    # Keras computes it in `floatx`. A replica without a row has no mean.
    loss = tf.reduce_sum(tf.cast(loss, "float32")) * factor
    return tf.where(rows > 0, loss, 0.0), logits


def _gradients_of_compiled_loss(model, x, y, sample_weight, rows, factor):
    """A replica's part of the loss, its logits, its part of the gradients."""
    with tf.GradientTape() as tape:
        loss, logits = _compiled_loss(
            model, x, y, sample_weight, rows, factor, training=True
        )
        scaled = scale_loss(model.optimizer, loss)
    gradients = tape.gradient(scaled, model.trainable_variables)
    return loss, logits, gradients


def _apply(model, gradients):
    """Update the model; return the learning rate of this update."""
    learning_rate = tf.cast(model.optimizer.learning_rate, "float32")
    if gradients:  # Else all weights are frozen.
        apply_gradients(model.optimizer, gradients, model.trainable_variables)
    return learning_rate


def _update_trackers(model, sums, total_weight):
    """Add the global batch to the running means, on every replica alike.

    Each replica holds the whole mean, so that the progress bar shows it; when
    Keras sums the trackers over replicas, the factor cancels in the mean.
    """
    loss, correct = tf.unstack(sum_over_replicas(sums))
    model._loss_tracker.update_state(loss, sample_weight=total_weight)
    model.compiled_step.track(loss, correct, total_weight)


def _update_loss_tracker(model, loss, rows):
    """Add the loss of the global batch, on every replica alike."""
    loss, rows = sum_over_replicas([loss, rows])
    model._loss_tracker.update_state(loss, sample_weight=rows)


def _metrics(model, y, logits, sample_weight):
    """All running metrics, after those of the user's have seen the batch."""
    if model.compiled_step.is_fused:
        return model.get_metrics_result()
    return model.compute_metrics(None, y, logits, sample_weight=sample_weight)
