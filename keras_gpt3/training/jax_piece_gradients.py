"""Loss and gradients of a piece of a batch under JAX. JAX only.

A piece is a batch, a part of it, or a micro-batch. Letters as in the backbone.
"""

import functools

import jax
from jax import numpy as jnp
from keras import ops

from keras_gpt3.layers.padded_embedding import PaddedEmbedding
from keras_gpt3.ops.chunked_cross_entropy import loss_and_gradients
from keras_gpt3.ops.token_cross_entropy import token_cross_entropy
from keras_gpt3.training.jax_state import seed_places
from keras_gpt3.training.jax_state import state_scope


def chunked_gradients(
    model, trainable, others, seeds, batch, gradient_scale, loss_parts=1
):
    """The gradients of a piece, without the logits of all tokens."""
    x, y, weights = batch
    forward = functools.partial(_forward, model, others, seeds, x)
    (states, table), pull_back, seeds = jax.vjp(
        forward, trainable, has_aux=True
    )
    sums, upstream = _head_gradients(
        model, (states, table), y, weights, gradient_scale, loss_parts
    )
    (gradients,) = pull_back(upstream)
    return sums, gradients, seeds


def whole_gradients(model, trainable, others, batch, gradient_scale):
    """The gradients of a piece through the logits of all tokens."""
    x, y, weights = batch

    def scaled_loss(trainable):
        with state_scope(model, trainable, others) as scope:
            logits = model(x, training=True)
        after = _values_after(scope, model.non_trainable_variables, others)
        sums = whole_sums(logits, y, weights)
        return sums[0] * gradient_scale, (sums, after, logits)

    gradients, (sums, after, logits) = jax.grad(scaled_loss, has_aux=True)(
        trainable
    )
    return sums, gradients, after, logits


def whole_head_gradients(
    model, trainable, others, seeds, batch, gradient_scale
):
    """As `chunked_gradients` for a head that is quantized: it has no table."""
    places = seed_places(model)
    others = with_seeds(others, places, seeds)
    sums, gradients, after, _ = whole_gradients(
        model, trainable, others, batch, gradient_scale
    )
    return sums, gradients, [after[place] for place in places]


def whole_sums(logits, y, weights):
    """Loss and weight of right guesses, given all logits."""
    loss = jnp.sum(token_cross_entropy(y, logits) * weights)
    right = jnp.argmax(logits, axis=-1) == y
    return jnp.stack([loss, jnp.sum(jnp.where(right, weights, 0.0))])


def output_table(backbone):
    """Reads the weights of the tied output head, rows of padding included."""
    embedding = backbone.token_embedding
    if isinstance(embedding, PaddedEmbedding):
        return ops.convert_to_tensor(embedding.all_rows)
    return ops.convert_to_tensor(embedding.embeddings)


def with_seeds(others, places, seeds):
    """Puts the seeds of dropout among the values of what does not train."""
    values = list(others)
    for place, seed in zip(places, seeds, strict=True):
        values[place] = seed
    return values


def _forward(model, others, seeds, x, trainable):
    """The final states (B, T, E) and the table; the seeds after it."""
    places = seed_places(model)
    others = with_seeds(others, places, seeds)
    with state_scope(model, trainable, others) as scope:
        states = model.backbone(x, training=True)
        table = output_table(model.backbone)
    variables = [model.non_trainable_variables[place] for place in places]
    return (states, table), _values_after(scope, variables, seeds)


def _head_gradients(model, outputs, y, weights, gradient_scale, loss_parts):
    """The sums, and the gradients of what `_forward` gave."""
    states, table = outputs
    frozen = not model.backbone.token_embedding.trainable_variables
    compute_loss = functools.partial(
        loss_and_gradients,
        embeddings=table,
        gradient_scale=gradient_scale,
        frozen=frozen,
        vocabulary_size=model.backbone.vocabulary_size,
    )
    loss, correct, d_states, d_table = _loss_by_parts(
        compute_loss, loss_parts, states, y, weights
    )
    d_table = jnp.zeros_like(table) if frozen else d_table
    return jnp.stack([loss, correct]), (d_states, d_table)


def _loss_by_parts(compute, number, states, y, weights):
    """The loss of a head, in which no part of the batch waits for another."""

    def compute_part(states, y, weights):
        return compute(hidden_states=states, labels=y, weights=weights)

    if number == 1:
        return compute_part(states, y, weights)
    parts = jax.tree.map(
        lambda x: x.reshape(number, -1, *x.shape[1:]), (states, y, weights)
    )
    loss, correct, d_states, d_table = jax.vmap(compute_part)(*parts)
    loss, correct, d_table = jax.tree.map(
        lambda x: jnp.sum(x, axis=0), (loss, correct, d_table)
    )
    return loss, correct, d_states.reshape(states.shape), d_table


def _values_after(scope, variables, before):
    """The values of variables in a scope: new ones, or those before it."""
    found = map(scope.get_current_value, variables)
    pairs = zip(found, before, strict=True)
    return [old if new is None else new for new, old in pairs]
