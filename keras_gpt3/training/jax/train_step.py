"""One step of training or evaluation under JAX. JAX only.

JAX compiles one program for all devices, in which a batch, a loss and a
gradient are always whole. So means over tokens are means over the global
batch, and Keras' optimizers clip the right norm.
"""

import keras
from jax import numpy as jnp

from keras_gpt3.ops.chunked_cross_entropy import loss_sums
from keras_gpt3.training.jax.gradients import batch_gradients
from keras_gpt3.training.jax.gradients import gradients_from_logits
from keras_gpt3.training.jax.gradients import output_table
from keras_gpt3.training.jax.gradients import state_scope
from keras_gpt3.training.step.mean_loss import normalized_loss_weights
from keras_gpt3.training.step.mean_loss import sums_from_logits
from keras_gpt3.training.step.mean_loss import unpack_batch


def train_step(model, state, data):
    """Train a model on one batch."""
    trainable, non_trainable, optimizer_state, metrics = state
    x, y, sample_weight = unpack_batch(data)
    weights, total = normalized_loss_weights(y, sample_weight)
    batch = (x, y, weights)
    scale, learning_rate = optimizer_scalars(model, optimizer_state)
    logits = None
    if model.compiled_step.is_fused:
        sums, gradients, non_trainable = batch_gradients(
            model, trainable, non_trainable, batch, scale
        )
    else:  # The user's metrics need them.
        sums, gradients, non_trainable, logits = gradients_from_logits(
            model, trainable, non_trainable, batch, scale
        )
    if gradients:  # Else all weights are frozen.
        trainable, optimizer_state = model.optimizer.stateless_apply(
            optimizer_state, gradients, trainable
        )
    logs, metrics = _update_metrics(
        model, metrics, sums, total, (x, y, sample_weight), logits
    )
    logs["learning_rate"] = learning_rate
    return logs, (trainable, non_trainable, optimizer_state, metrics)


def loss_sums_of(model, trainable, non_trainable, batch):
    """Loss and correct predictions of a batch, without all its logits."""
    x, y, weights = batch
    with state_scope(model, trainable, non_trainable):
        return loss_sums(
            model.backbone(x, training=False),
            output_table(model.backbone),
            y,
            weights,
            vocabulary_size=model.backbone.vocabulary_size,
        )


def with_learning_rate(model, train_step, state, data):
    """Train with Keras' own step, which a user's own loss needs."""
    _, learning_rate = optimizer_scalars(model, state[2])
    logs, state = train_step(state, data)
    return logs | {"learning_rate": learning_rate}, state


def test_step(model, state, data):
    """Evaluate a model on one batch."""
    trainable, non_trainable, metrics = state
    x, y, sample_weight = unpack_batch(data)
    weights, total = normalized_loss_weights(y, sample_weight)
    logits = None
    if model.compiled_step.needs_logits(model):
        with state_scope(model, trainable, non_trainable):
            logits = model(x, training=False)
        sums = sums_from_logits(logits, y, weights)
    else:
        batch = x, y, weights
        sums = loss_sums_of(model, trainable, non_trainable, batch)
    logs, metrics = _update_metrics(
        model, metrics, sums, total, (x, y, sample_weight), logits
    )
    return logs, (trainable, non_trainable, metrics)


def tokens_seen(model):
    """The weight of the tokens that the loss has counted since a reset.

    `fit` keeps the state of the step to itself until an epoch ends.
    """
    count = model.loss_tracker.count
    if getattr(model, "_jax_state", None) and not model._jax_state_synced:
        names = [v.path for v in model.metrics_variables]
        values = model._jax_state["metrics_variables"]
        return float(values[names.index(count.path)])
    return float(count.value)


def optimizer_scalars(model, optimizer_state):
    """The scale of the loss, and the learning rate of this update."""
    variables = model.optimizer.variables
    with keras.StatelessScope(
        state_mapping=list(zip(variables, optimizer_state, strict=True))
    ):
        scale = model.optimizer.scale_loss(jnp.ones((), "float32"))
        return scale, jnp.asarray(model.optimizer.learning_rate, "float32")


def _update_metrics(model, state, sums, total, data, logits):
    """All running metrics after this batch, and their state."""
    variables = model.metrics_variables
    with keras.StatelessScope(
        state_mapping=list(zip(variables, state, strict=True))
    ) as scope:
        loss, correct = sums
        model.loss_tracker.update_state(loss, sample_weight=total)
        model.compiled_step.track(loss, correct, total)
        if model.compiled_step.is_fused:
            logs = model.get_metrics_result()
        else:
            x, y, sample_weight = data
            logs = model.compute_metrics(x, y, logits, sample_weight)
    new = [scope.get_current_value(variable) for variable in variables]
    kept = zip(new, state, strict=True)
    return logs, [old if value is None else value for value, old in kept]
