"""One step of training or evaluation under JAX. JAX only.

JAX compiles one program for all devices, in which a batch, a loss and a
gradient are always whole. So means over tokens are means over the global
batch, and Keras' optimizers clip the right norm.
"""

import keras
from jax import numpy as jnp

from keras_gpt3.ops.chunked_cross_entropy import loss_sums
from keras_gpt3.training.jax_gradients import batch_gradients
from keras_gpt3.training.jax_piece_gradients import output_table
from keras_gpt3.training.jax_piece_gradients import whole_gradients
from keras_gpt3.training.jax_piece_gradients import whole_sums
from keras_gpt3.training.jax_state import state_scope
from keras_gpt3.training.labelled_batch import unpack_batch


def train_step(model, state, data):
    """Trains a model on one batch.

    Args:
        model: a compiled `GPT3`.
        state: tuple of four lists of arrays: the trainable variables, the
            others, the optimizer's and the metrics'.
        data: `(x, y)` or `(x, y, sample_weight)`, as in `keras.Model.fit`: a
            dict of `"token_ids"` in int32 and `"padding_mask"` in bool, labels
            in int32, all of shape `(batch, length)`, and weights of rows or of
            tokens.

    Returns:
        A pair of a dict of scalars, the running metrics and the learning rate,
        and the new state.

    Raises:
        ValueError: If the batch has no labels, or its rows do not divide among
            the parts of the mesh's batch axis, or theirs into micro-batches.

    Example:

    ```python
    import keras
    import keras_gpt3

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=61, num_layers=1, num_heads=2, hidden_dim=8,
        intermediate_dim=16, max_sequence_length=12,
    )
    model = keras_gpt3.GPT3(backbone)
    model.compile(keras_gpt3.training.AdamW())
    ids = keras.ops.ones((2, 8), "int32")
    x = {"token_ids": ids, "padding_mask": ids > 0}
    if keras.config.backend() == "jax":
        from keras_gpt3.training import jax_train_step

        model._step.prepare_optimizer(model)
        state = model._get_jax_state(True, True, True, True)
        logs, state = jax_train_step.train_step(model, state, (x, ids))
    ```
    """
    trainable, non_trainable, optimizer_state, metrics = state
    x, y, sample_weight = unpack_batch(data)
    weights, total = _token_weights(y, sample_weight)
    batch = (x, y, _shares(weights, total))
    scale, learning_rate = _optimizer_scalars(model, optimizer_state)
    logits = None
    if model._step.is_fused:
        sums, gradients, non_trainable = batch_gradients(
            model, trainable, non_trainable, batch, scale
        )
    else:  # The user's metrics need them.
        sums, gradients, non_trainable, logits = whole_gradients(
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


def with_learning_rate(model, train_step, state, data):
    """Trains with Keras' own step, which a user's own loss needs.

    Args:
        model: a compiled `GPT3`.
        train_step: callable. Keras' step, of a state and a batch.
        state: as in `train_step`.
        data: as in `train_step`.

    Returns:
        What the step gives, with the learning rate of the update.
    """
    _, learning_rate = _optimizer_scalars(model, state[2])
    logs, state = train_step(state, data)
    return logs | {"learning_rate": learning_rate}, state


def test_step(model, state, data):
    """Evaluates a model on one batch.

    Args:
        model: a compiled `GPT3`.
        state: tuple of three lists of arrays: the trainable variables, the
            others and the metrics'.
        data: as in `train_step`.

    Returns:
        A pair of a dict of scalars, the running metrics, and the new state.

    Raises:
        ValueError: If the batch has no labels.

    Example:

    ```python
    import keras
    import keras_gpt3

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=61, num_layers=1, num_heads=2, hidden_dim=8,
        intermediate_dim=16, max_sequence_length=12,
    )
    model = keras_gpt3.GPT3(backbone)
    model.compile(keras_gpt3.training.AdamW())
    ids = keras.ops.ones((2, 8), "int32")
    x = {"token_ids": ids, "padding_mask": ids > 0}
    if keras.config.backend() == "jax":
        from keras_gpt3.training import jax_train_step

        state = model._get_jax_state(True, True, False, True)
        logs, state = jax_train_step.test_step(model, state, (x, ids))
    ```
    """
    trainable, non_trainable, metrics = state
    x, y, sample_weight = unpack_batch(data)
    weights, total = _token_weights(y, sample_weight)
    batch, logits = (x, y, _shares(weights, total)), None
    with state_scope(model, trainable, non_trainable):
        if model._step.needs_logits(model):
            logits = model(x, training=False)
            sums = whole_sums(logits, *batch[1:])
        else:
            sums = _chunked_sums(model, *batch)
    logs, metrics = _update_metrics(
        model, metrics, sums, total, (x, y, sample_weight), logits
    )
    return logs, (trainable, non_trainable, metrics)


def mean_loss(y, logits, sample_weight=None):
    """The loss of the step, for a step of the user's own.

    Args:
        y: int array of shape `(batch, length)`, the labels.
        logits: array of shape `(batch, length, vocabulary_size)`.
        sample_weight: `None`, or weights of rows or of tokens. Defaults to
            `None`.

    Returns:
        A float32 scalar, the mean over tokens.
    """
    _, y, sample_weight = unpack_batch((None, y, sample_weight))
    shares = _shares(*_token_weights(y, sample_weight))
    return whole_sums(logits, y, shares)[0]


def tokens_seen(model):
    """The weight of the tokens that the loss has counted since a reset.

    `fit` keeps the state of the step to itself until an epoch ends.

    Args:
        model: a compiled `GPT3`.

    Returns:
        A float.
    """
    count = model.loss_tracker.count
    if getattr(model, "_jax_state", None) and not model._jax_state_synced:
        names = [v.path for v in model.metrics_variables]
        values = model._jax_state["metrics_variables"]
        return float(values[names.index(count.path)])
    return float(count.value)


def _token_weights(y, sample_weight):
    """The weight of every token, (B, T) in float32, and their sum."""
    weights = jnp.ones(y.shape, "float32")
    if sample_weight is not None:
        more = jnp.asarray(sample_weight, "float32")
        weights *= more[:, None] if more.ndim == 1 else more
    return weights, jnp.sum(weights)


def _shares(weights, total):
    """The share of every token in the mean; zeros where nothing counts."""
    return jnp.where(total > 0, weights / jnp.where(total > 0, total, 1.0), 0.0)


def _optimizer_scalars(model, optimizer_state):
    """The scale of the loss, and the learning rate of this update."""
    variables = model.optimizer.variables
    with keras.StatelessScope(
        state_mapping=list(zip(variables, optimizer_state, strict=True))
    ):
        scale = model.optimizer.scale_loss(jnp.ones((), "float32"))
        return scale, jnp.asarray(model.optimizer.learning_rate, "float32")


def _chunked_sums(model, x, y, weights):
    """As `whole_sums` without logits."""
    return jnp.stack(
        loss_sums(
            model.backbone(x, training=False),
            output_table(model.backbone),
            y,
            weights,
            vocabulary_size=model.backbone.vocabulary_size,
        )
    )


def _update_metrics(model, state, sums, total, data, logits):
    """All running metrics after this batch, and their state."""
    variables = model.metrics_variables
    with keras.StatelessScope(
        state_mapping=list(zip(variables, state, strict=True))
    ) as scope:
        loss, correct = sums
        model.loss_tracker.update_state(loss, sample_weight=total)
        model._step.track(loss, correct, total)
        if model._step.is_fused:
            logs = model.get_metrics_result()
        else:
            x, y, sample_weight = data
            logs = model.compute_metrics(x, y, logits, sample_weight)
    new = [scope.get_current_value(variable) for variable in variables]
    kept = zip(new, state, strict=True)
    return logs, [old if value is None else value for value, old in kept]
