"""Fused attention or the loop, as a batch's mask says; JAX only."""

import functools

import jax
from jax import numpy as jnp

from keras_gpt3.ops.attention import attention_loop


class KernelOrLoop:
    """Attention that takes the kernel in batches without padding.

    Left to itself JAX would save what both branches need for their gradients,
    queries, keys and values once for each.
    """

    def __init__(self, kernel, window, scale):
        self._kernel = kernel
        self._window, self._scale = window, scale
        # How the kernel's pull-back is put together again.
        self._tree, self._places = None, None

    def __call__(self, query, key, value, mask):
        attend = jax.custom_vjp(lambda *arguments: self._forward(*arguments)[0])
        attend.defvjp(self._forward, self._backward)
        return attend(query, key, value, mask)

    def _forward(self, *arguments):
        extras = jax.eval_shape(self._by_kernel, *arguments)[2]
        output, *rest = jax.lax.cond(
            all_visible(arguments[-1]),
            self._by_kernel,
            functools.partial(self._by_loop, extras),
            *arguments,
        )
        return output, (arguments, output, *rest)

    def _backward(self, residuals, upstream):
        mask = residuals[0][-1]
        gradients = jax.lax.cond(
            all_visible(mask),
            self._kernel_gradient,
            self._loop_gradient,
            *residuals,
            upstream,
        )
        return *gradients, None

    def _by_kernel(self, query, key, value, mask):
        output, pull_back = jax.vjp(self._kernel, query, key, value)
        leaves, self._tree = jax.tree.flatten(pull_back)
        known = (query, key, value, output)
        self._places = [_place(leaf, known) for leaf in leaves]
        extras = [x for x in leaves if _place(x, known) is None]
        # (B, H, T), as cuDNN keeps the log-sum-exp of each row's scores.
        shape = (query.shape[0], query.shape[2], query.shape[1])
        return output, _filled(jnp.zeros(shape, "float32"), extras), extras

    def _kernel_gradient(self, arguments, output, log_sums, extras, upstream):
        known, extras = (*arguments[:3], output), iter(extras)
        leaves = [
            next(extras) if place is None else known[place]
            for place in self._places
        ]
        return jax.tree.unflatten(self._tree, leaves)(upstream)

    def _by_loop(self, extras, query, key, value, mask):
        output, log_sums = attention_loop.loop_forward(
            query, key, value, (mask,), self._window, self._scale
        )
        log_sums = log_sums[..., 0]
        zeros = [jnp.zeros(x.shape, x.dtype) for x in extras]
        return output, log_sums, [_filled(x, [log_sums]) for x in zeros]

    def _loop_gradient(self, arguments, output, log_sums, extras, upstream):
        *inputs, mask = arguments
        settings = ((mask,), self._window, self._scale)
        saved = (output, log_sums[..., None], upstream)
        return tuple(attention_loop.loop_backward(*inputs, *settings, *saved))


def _place(leaf, known):
    """The index of a tensor among known ones, or `None`."""
    places = [i for i, x in enumerate(known) if x is leaf]
    return places[0] if places else None


def _filled(zeros, candidates):
    """The candidate of the shape of zeros, else these: what is not read.

    On a mesh zeros would lie on every device, and so what takes their place in
    the other branch: it would be gathered.
    """
    fitting = [
        x
        for x in candidates
        if (x.shape, x.dtype) == (zeros.shape, zeros.dtype)
    ]
    return fitting[0] if fitting else zeros


@jax.custom_batching.custom_vmap
def all_visible(mask):
    """Whether a mask hides nothing, in all parts of a batch together.

    Mapped over parts, a condition of each would run both of its branches.
    """
    return jnp.all(mask)


@all_visible.def_vmap
def _of_all_parts(axis_size, in_batched, mask):
    return all_visible(mask), False
