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
from jax import numpy as jnp

from keras_gpt3.parallel.data_axis import check_shards_divide
from keras_gpt3.parallel.data_axis import num_data_shards
from keras_gpt3.parallel.variable_layouts import is_spread_over_data
from keras_gpt3.parallel.variable_layouts import lay_out_like
from keras_gpt3.parallel.variable_layouts import lay_out_like_slots
from keras_gpt3.planning.micro_batch_division import check_micro_batch_divides
from keras_gpt3.training.jax_piece_gradients import chunked_gradients
from keras_gpt3.training.jax_piece_gradients import whole_head_gradients
from keras_gpt3.training.jax_piece_gradients import with_seeds
from keras_gpt3.training.jax_state import seed_places


def batch_gradients(model, trainable, non_trainable, batch, gradient_scale):
    """The loss of a batch of which nobody needs the logits, and its
    gradients.
    """
    shards, size = num_data_shards(), model._step.micro_batch_size
    variables = model.trainable_variables
    spread = shards > 1 and any(map(is_spread_over_data, variables))
    of_piece = whole_head_gradients
    if not model._step.needs_logits(model):
        of_piece = functools.partial(
            chunked_gradients, loss_parts=shards if spread else 1
        )
    compute = functools.partial(of_piece, model, trainable, non_trainable)
    if shards > 1:
        check_shards_divide(shards, batch[1].shape[0])
        # (B, T) to (S, B / S, T)
        batch = jax.tree.map(
            lambda x: x.reshape(shards, -1, *x.shape[1:]), batch
        )
        of_parts = _sum_over_parts if spread else _each_part
        compute = of_parts(compute, variables)
    if size is not None:
        compute = _in_micro_batches(compute, size, axis=int(shards > 1))
    places = seed_places(model)
    seeds = [non_trainable[place] for place in places]
    sums, gradients, seeds = compute(seeds, batch, gradient_scale)
    if sums.ndim > 1:
        sums, gradients = jax.tree.map(_add_up, (sums, gradients))
        gradients = lay_out_like_slots(gradients, variables)
    return sums, gradients, with_seeds(non_trainable, places, seeds)


def _each_part(compute, variables):
    """Makes a function of a piece take one of each part, (S, R, T).

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
    """Makes a function of a piece take one of each part, (S, R, T), and add up.

    For weights that are spread over the devices of the parts: each gradient is
    added up as it comes, and a device keeps no more than its share of it.
    """

    def compute_all(seeds, batch, gradient_scale):
        batch = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch)
        sums, gradients, seeds = compute(seeds, batch, gradient_scale)
        return sums, lay_out_like(gradients, variables), seeds

    return compute_all


def _in_micro_batches(compute, size, axis):
    """Makes a function of a piece take rows of a size at a time."""

    def split(x):
        """(S, N R, T) to (N, S, R, T), or without S."""
        shape = (*x.shape[:axis], -1, size, *x.shape[axis + 1 :])
        return jnp.moveaxis(x.reshape(shape), axis, 0)

    def accumulate(seeds, batch, gradient_scale):
        check_micro_batch_divides(size, batch[1].shape[axis])
        pieces = jax.tree.map(split, batch)

        def step(carry, piece):
            sums, totals, seeds = carry
            more, gradients, seeds = compute(seeds, piece, gradient_scale)
            totals = jax.tree.map(jnp.add, totals, gradients)
            return (sums + more, totals, seeds), None

        first = jax.tree.map(lambda x: x[0], pieces)
        shapes = jax.eval_shape(compute, seeds, first, gradient_scale)
        zeros = jax.tree.map(_zeros, shapes[:2])
        (sums, totals, seeds), _ = jax.lax.scan(step, (*zeros, seeds), pieces)
        return sums, totals, seeds

    return accumulate


def _zeros(shape):
    """At least float32: 16 bits would soon round what is added to nothing."""
    return jnp.zeros(shape.shape, jnp.promote_types(shape.dtype, "float32"))


def _add_up(x):
    return jnp.sum(x, axis=0)
