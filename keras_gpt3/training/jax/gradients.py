"""Loss and gradients of a batch under JAX. JAX only.

Each part of a batch that has devices of its own gets gradients of its own,
along an axis that is spread over those devices; it goes through micro-batches
and chunks of tokens by itself. The parts are added up at the end. Left to
itself, JAX's partitioner adds them up over the devices in each round of each
loop.

Letters as in the backbone, but S parts of the batch (data shards); and: N
micro-batches, R rows of one.
"""

import functools

import jax
import keras
from jax import numpy as jnp
from keras import ops

from keras_gpt3.layers.decoder_block import before_block
from keras_gpt3.layers.embeddings import PaddedEmbedding
from keras_gpt3.ops.chunked_cross_entropy import loss_and_gradients
from keras_gpt3.parallel.step_division import check_micro_batch_divides
from keras_gpt3.parallel.variable_layouts import bring_together
from keras_gpt3.parallel.variable_layouts import check_shards_divide
from keras_gpt3.parallel.variable_layouts import in_turn
from keras_gpt3.parallel.variable_layouts import is_spread_over_data
from keras_gpt3.parallel.variable_layouts import lay_out_like
from keras_gpt3.parallel.variable_layouts import lay_out_like_slots
from keras_gpt3.parallel.variable_layouts import num_data_shards
from keras_gpt3.training.step.mean_loss import sums_from_logits


def batch_gradients(
    model,
    trainable,
    non_trainable,
    batch,
    gradient_scale,
    observe=None,
    num_micro_batches=None,
):
    """Loss and gradients of a batch whose logits are not needed.

    `observe` makes a function of a micro-batch of one, which adds to its sums.
    Of micro-batches the first `num_micro_batches`, a number on the device,
    count: so one program serves batches of many sizes.
    """
    shards, size = num_data_shards(), model.compiled_step.micro_batch_size
    variables = model.trainable_variables
    spread = shards > 1 and any(map(is_spread_over_data, variables))
    compute = quantized_head_gradients
    if not model.compiled_step.needs_logits(model):
        compute = functools.partial(
            chunked_gradients, loss_parts=shards if spread else 1
        )
    compute = functools.partial(compute, model, trainable, non_trainable)
    compute = compute if observe is None else observe(compute)
    if shards > 1:
        check_shards_divide(shards, batch[1].shape[0])
        # (B, T) to (S, B / S, T)
        batch = jax.tree.map(
            lambda x: x.reshape(shards, -1, *x.shape[1:]), batch
        )
        of_parts = _sum_over_parts if spread else _each_part
        compute = of_parts(compute, variables)
    if size is not None:
        axis = int(shards > 1)
        compute = _in_micro_batches(compute, size, axis, num_micro_batches)
    places = seed_places(model)
    seeds = [non_trainable[place] for place in places]
    sums, gradients, seeds = compute(seeds, batch, gradient_scale)
    if sums.ndim > 1:
        sums, gradients = jax.tree.map(
            lambda x: jnp.sum(x, axis=0), (sums, gradients)
        )
        gradients = lay_out_like_slots(gradients, variables)
    return sums, gradients, with_seeds(non_trainable, places, seeds)


def _each_part(compute, variables):
    """Make a function of a micro-batch take one of each part, (S, R, T).

    Sums and gradients get a first axis S.
    """

    def compute_all(seeds, batch, gradient_scale):
        def compute_part(number, batch):
            # Else all parts would drop the same entries.
            own = [seed.at[0].add(number) for seed in seeds]
            return compute(own, batch, gradient_scale)

        numbers = jnp.arange(batch[1].shape[0], dtype="uint32")
        sums, gradients, seeds = jax.vmap(compute_part)(numbers, batch)
        gradients = lay_out_like(gradients, variables, by_parts=True)
        # Those of the first part, whose number is 0, are as they would be.
        return sums, gradients, [seed[0] for seed in seeds]

    return compute_all


def _sum_over_parts(compute, variables):
    """Make a function of a micro-batch take and add up one of each part.

    For weights that are spread over the devices of the parts: each gradient is
    added up as it comes, and a device keeps no more than its share of it.
    """

    def compute_all(seeds, batch, gradient_scale):
        batch = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch)
        sums, gradients, seeds = compute(seeds, batch, gradient_scale)
        return sums, lay_out_like(gradients, variables), seeds

    return compute_all


def _in_micro_batches(compute, size, axis, number=None):
    """Make a function of a micro-batch take rows of a size at a time."""

    def split(x):
        """(S, N R, T) to (N, S, R, T), or without S."""
        shape = (*x.shape[:axis], -1, size, *x.shape[axis + 1 :])
        return jnp.moveaxis(x.reshape(shape), axis, 0)

    def accumulate(seeds, batch, gradient_scale):
        check_micro_batch_divides(size, batch[1].shape[axis])
        micro_batches = jax.tree.map(split, batch)

        def step(carry, micro_batch):
            sums, totals, seeds = carry
            more, gradients, seeds = compute(seeds, micro_batch, gradient_scale)
            totals = jax.tree.map(jnp.add, totals, gradients)
            return (sums + more, totals, seeds), None

        first = jax.tree.map(lambda x: x[0], micro_batches)
        shapes = jax.eval_shape(compute, seeds, first, gradient_scale)
        zeros = jax.tree.map(_zeros, shapes[:2])
        if number is None:
            carry, _ = jax.lax.scan(step, (*zeros, seeds), micro_batches)
            return carry

        def step_of(place, carry):
            micro_batch = jax.tree.map(lambda x: x[place], micro_batches)
            return step(carry, micro_batch)[0]

        return jax.lax.fori_loop(0, number, step_of, (*zeros, seeds))

    return accumulate


def _zeros(shape):
    """At least float32: 16 bits would soon round what is added to nothing."""
    return jnp.zeros(shape.shape, jnp.promote_types(shape.dtype, "float32"))


# === Loss and gradients of the rows computed at a time ===
#
# A micro-batch, a part of a batch, or all of it. Letters as in the backbone.


def chunked_gradients(
    model, trainable, others, seeds, batch, gradient_scale, loss_parts=1
):
    """The gradients of some rows, without the logits of all tokens."""
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


def gradients_from_logits(model, trainable, others, batch, gradient_scale):
    """The gradients of some rows through the logits of all tokens."""
    x, y, weights = batch

    def scaled_loss(trainable):
        with state_scope(model, trainable, others) as scope:
            logits = model(x, training=True)
        after = _values_after(scope, model.non_trainable_variables, others)
        sums = sums_from_logits(logits, y, weights)
        return sums[0] * gradient_scale, (sums, after, logits)

    gradients, (sums, after, logits) = jax.grad(scaled_loss, has_aux=True)(
        trainable
    )
    return sums, gradients, after, logits


def quantized_head_gradients(
    model, trainable, others, seeds, batch, gradient_scale
):
    """As `chunked_gradients` for a head that is quantized: it has no table."""
    places = seed_places(model)
    others = with_seeds(others, places, seeds)
    sums, gradients, after, _ = gradients_from_logits(
        model, trainable, others, batch, gradient_scale
    )
    return sums, gradients, [after[place] for place in places]


def output_table(backbone):
    """Read the weights of the tied output head, rows of padding included."""
    embedding = backbone.token_embedding
    if isinstance(embedding, PaddedEmbedding):
        return ops.convert_to_tensor(embedding.all_rows)
    return ops.convert_to_tensor(embedding.embeddings)


def with_seeds(others, places, seeds):
    """Put the seeds of dropout among the values of what does not train."""
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


def state_scope(model, trainable, non_trainable):
    """A scope in which a model's variables have given values.

    A weight that is spread over the data axis of a mesh is brought together
    each time that it is read, so that a block which runs once more for the
    backward pass brings it together once more, and it is not kept.
    """
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    values = [*trainable, *non_trainable]
    return _WholeWeights(
        state_mapping=list(zip(variables, values, strict=True))
    )


class _WholeWeights(keras.StatelessScope):
    """A scope whose values are whole on the devices of a part of the batch."""

    def get_current_value(self, variable):
        value = super().get_current_value(variable)
        return None if value is None else bring_together(value, variable)

    def __enter__(self):
        self._token = before_block.set(self._before_block)
        return super().__enter__()

    def __exit__(self, *args):
        before_block.reset(self._token)
        super().__exit__(*args)

    def _before_block(self, block, x):
        """The input of a block, and its weights in this scope, in turn."""
        variables = block.trainable_variables
        if not any(map(is_spread_over_data, variables)):
            return x
        values = map(super().get_current_value, variables)
        x, values = in_turn(x, values, block)
        for update in zip(variables, values, strict=True):
            self.add_update(update)
        return x


def seed_places(model):
    """Where the states of the seeds of dropout are."""
    return [
        place
        for place, variable in enumerate(model.non_trainable_variables)
        if variable.name == "seed_generator_state"
    ]
