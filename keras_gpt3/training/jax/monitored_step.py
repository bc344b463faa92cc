"""One guarded step of a pretraining run under JAX. JAX only.

The arithmetic is that of `train_step`. What differs is as on TensorFlow: an
update that is not finite is not made, what monitors the health of a run comes
out of the same program, and so do the requests of all processes.
"""

import jax
from jax import numpy as jnp

from keras_gpt3.parallel.variable_layouts import num_data_shards
from keras_gpt3.training.jax.gradients import batch_gradients
from keras_gpt3.training.jax.train_step import loss_sums_of
from keras_gpt3.training.jax.train_step import optimizer_scalars
from keras_gpt3.training.step.loss_scaling import is_dynamic


def monitored_step(model, state, data, requests, num_micro_batches=None):
    """Train a model on one batch, unless that would spoil it.

    `requests` (D, 2) has a row for each device; the sum over them is returned.
    """
    trainable, others, slots = state
    (x, y), rows = data, data[1].shape[0]
    if num_micro_batches is not None:
        rows = num_micro_batches * _rows_at_a_time(model, rows)
    tokens = jnp.asarray(rows * y.shape[1], "float32")
    weights = jnp.full(y.shape, 1.0 / tokens, "float32")
    scale, learning_rate = optimizer_scalars(model, slots)
    sums, gradients, others = batch_gradients(
        model,
        trainable,
        others,
        (x, y, weights),
        scale,
        with_micro_batch_norms,
        num_micro_batches,
    )
    loss, correct, squared, count, inverse_weights = sums
    norm = jnp.sqrt(_squared_norm(gradients)) / scale
    applied = jnp.isfinite(loss) & jnp.isfinite(norm)
    trainable, slots = _update(model, trainable, slots, gradients, applied)
    report = {
        "loss": loss,
        "accuracy": correct,
        "tokens": tokens,
        "gradient_norm": norm,
        "applied": applied.astype("float32"),
        "learning_rate": learning_rate,
        "micro_batch_squared_norm": _divide(squared, count),
        # The harmonic mean of the micro-batches' tokens.
        "micro_batch_tokens": tokens * _divide(count, inverse_weights),
    }
    return report, jnp.sum(requests, 0), (trainable, others, slots)


def _rows_at_a_time(model, rows):
    """Rows of all parts of a batch that one micro-batch of each has."""
    size, shards = model.compiled_step.micro_batch_size, num_data_shards()
    return rows if size is None else size * shards


def _update(model, trainable, slots, gradients, applied):
    """Weights and slots after the update, as they were if it is not made."""
    apply = model.optimizer.stateless_apply
    if is_dynamic(model.optimizer):
        # It looks for what is not finite itself, and lowers its scale.
        gradients = [jnp.where(applied, g, jnp.nan) for g in gradients]
        return apply(slots, gradients, trainable)
    return jax.lax.cond(
        applied,
        lambda: apply(slots, gradients, trainable),
        lambda: (trainable, slots),
    )


def with_micro_batch_norms(compute):
    """Make a function of a micro-batch add its gradient's norm to its sums.

    As on TensorFlow, see `gradient_noise_scale`.
    """

    def observed(seeds, batch, gradient_scale):
        sums, gradients, seeds = compute(seeds, batch, gradient_scale)
        weight = jnp.sum(batch[2])
        # The part of a micro-batch in the gradient of the mean loss, made the
        # gradient of its own mean loss.
        squared = _squared_norm(gradients) / jnp.square(gradient_scale)
        more = [
            _divide(squared, jnp.square(weight)),
            (weight > 0).astype("float32"),
            _divide(1.0, weight),
        ]
        return jnp.concatenate([sums, jnp.stack(more)]), gradients, seeds

    return observed


def evaluation_sums(model, trainable, others, data):
    """Sums of loss and correct predictions over a batch, for validation."""
    x, y = data
    tokens = jnp.asarray(y.size, "float32")
    weights = jnp.full(y.shape, 1.0 / tokens, "float32")
    sums = loss_sums_of(model, trainable, others, (x, y, weights))
    return jnp.stack([*(mean * tokens for mean in sums), tokens])


def _squared_norm(gradients):
    squares = [jnp.sum(jnp.square(g.astype("float32"))) for g in gradients]
    return jnp.sum(jnp.stack(squares))


def _divide(numerator, denominator):
    """Zero where the denominator is."""
    is_zero = denominator == 0
    return jnp.where(is_zero, 0.0, numerator / (denominator + is_zero))
