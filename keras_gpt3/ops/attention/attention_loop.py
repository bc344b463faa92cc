"""Causal attention as one compiled loop, for programs that XLA sees whole.

Under JAX and, with `jit_compile=True`, under TensorFlow.

A step of the loop brings one block of queries to one block of keys that some of
them see; pairs without a visible score are never visited, nor blocks of keys
before the segments of all rows of a batch. The program is the same for every
length, masks are made of positions inside the loop, and scores live for one
step: memory grows with the length, not with its square. The
softmax is kept up to date block by block (Milakov and Gimelshein 2018), and the
backward pass computes the weights again (Dao et al. 2022).

Symbols as in the backbone, and: Q positions of a block, of queries and of keys
alike; N blocks.
"""

import functools
import math

import keras
from keras import ops

from keras_gpt3.ops.attention.attention_shapes import LOWEST
from keras_gpt3.ops.attention.attention_shapes import block_size
from keras_gpt3.ops.attention.attention_shapes import by_head
from keras_gpt3.ops.attention.attention_shapes import visible_keys
from keras_gpt3.ops.op_compilation import target_platform
from keras_gpt3.ops.with_dependencies import with_dependencies


def looped_attention(query, key, value, *masks, window, scale):
    """Attention of queries to their last `window` keys, all if `None`.

    `masks` is the padding mask, or that and the segment ids, or nothing.
    """
    is_jax = keras.config.backend() == "jax"
    loop = _jitted(target_platform()) if is_jax else _attend
    return loop(query, key, value, masks, window, scale)


@functools.cache
def _jitted(platform):
    """The loop under JAX, which else compiles it anew in each eager call.

    One for each platform, whose `with_dependencies` differ: JAX keeps what it
    traced.
    """
    import jax

    return jax.jit(functools.partial(_attend), static_argnums=(4, 5))


def _attend(query, key, value, masks, window, scale):
    # The masks are arguments as well: JAX differentiates no function that
    # holds a tensor of the function around it.
    @ops.custom_gradient
    def attend(query, key, value, *masks):
        output, log_sums = loop_forward(query, key, value, masks, window, scale)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            # Else XLA finds that padded copies are made twice, and keeps those
            # of the forward pass.
            inputs = with_dependencies((query, key, value), upstream)
            gradients = loop_backward(
                *inputs, masks, window, scale, output, log_sums, upstream
            )
            return (*gradients, *[None] * len(masks))

        return output, gradient

    return attend(query, key, value, *masks)


def loop_forward(query, key, value, masks, window, scale):
    """Attention, and the log-sum-exp of each row's scores (B, H, T, 1)."""
    length = ops.shape(query)[1]
    pairs = _Pairs(length, window, masks)
    query, key, value = (pairs.pad(x) for x in (query, key, value))
    masks = [pairs.pad(x) for x in masks]

    def step(row, column, is_first, output, log_sums, seen, total, highest):
        scores, visible = _scores(query, key, masks, pairs, scale, row, column)
        scores = ops.where(visible, scores, LOWEST)
        before = ops.where(is_first, LOWEST, highest)
        highest = ops.maximum(before, ops.max(scores, axis=-1, keepdims=True))
        weights = ops.where(visible, ops.exp(scores - highest), 0.0)
        shrink = ops.where(is_first, 0.0, ops.exp(before - highest))
        total = total * shrink + ops.sum(weights, axis=-1, keepdims=True)
        weights = ops.cast(weights, value.dtype)
        # (B, H, Q, Q) x (B, Q, H, D) -> (B, H, Q, D)
        seen = seen * shrink + _product(weights, 3, pairs.take(value, column))
        # Of all steps of a row the last one counts. A row that sees nothing
        # gives zeros.
        divisor = ops.where(total == 0.0, 1.0, total)
        rows = ops.cast(by_head(seen / divisor), output.dtype)
        return (
            pairs.put(output, row, rows),
            pairs.put(log_sums, row, highest + ops.log(divisor), axis=2),
            *(seen, total, highest),
        )

    zeros = _zeros_after(query)
    sums = by_head(zeros[..., :1])  # (B, H, N Q, 1)
    seen, rows = by_head(zeros[:, : pairs.size]), sums[:, :, : pairs.size]
    state = (ops.cast(zeros, query.dtype), sums, seen, rows, rows)
    output, log_sums, *_ = pairs.loop(step, state)
    return output[:, :length], log_sums[:, :, :length]


def loop_backward(
    query, key, value, masks, window, scale, output, log_sums, upstream
):
    """The gradients of query, key and value, from what `loop_forward` gave."""
    length = ops.shape(query)[1]
    pairs = _Pairs(length, window, masks)
    # The softmax' gradient needs sum(weights x their gradient) of each row,
    # which is the output times its gradient.
    rows = ops.cast(output, "float32") * ops.cast(upstream, "float32")
    rows = by_head(ops.sum(rows, axis=-1, keepdims=True))  # (B, H, T, 1)
    rows, log_sums = (pairs.pad(x, axis=2) for x in (rows, log_sums))
    query, key, value, upstream = (
        pairs.pad(x) for x in (query, key, value, upstream)
    )
    masks = [pairs.pad(x) for x in masks]

    def step(row, column, is_first, d_query, d_key, d_value, d_rows):
        queries, keys = pairs.take(query, row), pairs.take(key, column)
        values, ups = pairs.take(value, column), pairs.take(upstream, row)
        scores, visible = _scores(query, key, masks, pairs, scale, row, column)
        weights = ops.exp(scores - pairs.take(log_sums, row, axis=2))
        weights = ops.where(visible, weights, 0.0)  # (B, H, Q, Q)
        d_scores = _row_products(ups, values) - pairs.take(rows, row, axis=2)
        d_scores = ops.cast(weights * d_scores * scale, query.dtype)
        weights = ops.cast(weights, query.dtype)
        d_rows = ops.where(is_first, 0.0, d_rows) + _product(d_scores, 3, keys)
        d_queries = ops.cast(by_head(d_rows), d_query.dtype)
        return (
            pairs.put(d_query, row, d_queries),
            pairs.add(d_key, column, _product(d_scores, 2, queries)),
            pairs.add(d_value, column, _product(weights, 2, ups)),
            d_rows,
        )

    zeros = _zeros_after(upstream)
    sums = by_head(zeros)  # (B, H, N Q, D)
    state = (ops.cast(zeros, query.dtype), sums, sums, sums[:, :, : pairs.size])
    d_query, *others, _ = pairs.loop(step, state)
    others = [ops.cast(by_head(x), key.dtype) for x in others]
    return [x[:, :length] for x in (d_query, *others)]


def _scores(query, key, masks, pairs, scale, row, column):
    """The scores of a pair in float32 (B, H, Q, Q), and which are visible."""
    products = _row_products(pairs.take(query, row), pairs.take(key, column))
    return products * scale, pairs.visible(row, column, masks)


def _zeros_after(x):
    """Zeros of the shape of `x` in float32, known only when it is.

    XLA makes what knows nothing, alike in all layers, for all of them at the
    start. Nothing is below minus infinity.
    """
    zeros = ops.cast(x[:, :1, :, :1] < -math.inf, "float32")
    return ops.broadcast_to(zeros, ops.shape(x))


_MOST = 2**31 - 1  # Of int32.


class _Pairs:
    """The pairs of blocks that see each other, row by row of queries."""

    def __init__(self, length, window, masks=()):
        block = block_size(window)
        is_known = isinstance(length, int)
        self.size = min(block, max(length, 1)) if is_known else block
        self.window = window
        self.padding = -length % self.size
        if is_known and length == 0:
            self.padding = self.size  # One block, that is cut off again.
        blocks = (length + self.padding) // self.size
        # Earlier blocks that a row meets, but for the first rows.
        self.reach = blocks - 1
        if window is not None:
            # A tensor where TensorFlow does not know the length.
            least = min if isinstance(self.reach, int) else ops.minimum
            self.reach = least(self.reach, -(-(window - 1) // self.size))
        self.count = (2 * blocks - self.reach) * (self.reach + 1) // 2
        self._firsts = None
        if len(masks) > 1:
            rows = ops.arange(blocks, dtype="int32")
            earliest, firsts = self.first(rows), self._common(masks[1], blocks)
            firsts = ops.where(firsts < earliest, earliest, firsts)
            self._firsts = _lowest_of_parts(firsts)
            self.count = ops.sum(rows - self._firsts + 1)

    def loop(self, step, state):
        """Run `step(row, column, is_first, *state)` for all pairs, in order.

        `is_first` says whether the pair is the first of its row.
        """

        def body(_, carry):
            row, column, *state = carry
            is_first = ops.equal(column, self.first(row))
            state = step(row, column, is_first, *state)
            is_last = ops.equal(column, row)
            row = row + ops.cast(is_last, "int32")
            first = self.first(row)
            return row, ops.where(is_last, first, column + 1), *state

        zero = ops.zeros((), "int32")
        carry = ops.fori_loop(0, self.count, body, (zero, zero, *state))
        return carry[2:]

    def first(self, row):
        """The first block of keys that a block of queries meets."""
        if self._firsts is None:
            return row - ops.where(row < self.reach, row, self.reach)
        # After the last row the loop asks for one more.
        return ops.take(ops.pad(self._firsts, [[0, 1]]), row)

    def _common(self, segment_ids, blocks):
        """For each block, the first one with a segment in common, (N,).

        In any row of the batch. Blocks whose ranges of ids do not overlap have
        none, in whatever order ids come.
        """
        shape = (ops.shape(segment_ids)[0], blocks, self.size)
        lowest, highest = (
            reduce(ops.reshape(self.pad(segment_ids, value=x), shape), axis=2)
            for reduce, x in ((ops.min, _MOST), (ops.max, -_MOST))
        )  # (B, N), without what is padding
        overlap = (lowest[:, :, None] <= highest[:, None]) & (
            highest[:, :, None] >= lowest[:, None]
        )
        overlap = ops.cast(ops.any(overlap, axis=0), "int32")
        return ops.cast(ops.argmax(overlap, axis=1), "int32")

    def visible(self, row, column, masks):
        """Which keys the queries of a pair see, (Q, Q) or (B, 1, Q, Q)."""
        offsets = ops.arange(self.size, dtype="int32")
        queries = (row - column) * self.size + offsets
        mask = self.take(masks[0], column) if masks else None
        pair = (row, column)
        segments = [self.take(x, block) for x in masks[1:] for block in pair]
        return visible_keys(queries, offsets, self.window, mask, segments)

    def pad(self, x, axis=1, value=None):
        """T to N Q positions, zeros at the end, which no query sees."""
        widths = [[0, 0]] * len(x.shape)
        widths[axis] = [0, self.padding]
        return ops.pad(x, widths, constant_values=value)

    def take(self, x, block, axis=1):
        """One block of positions."""
        shape = list(ops.shape(x))
        shape[axis] = self.size
        return ops.slice(x, self._start(x, block, axis), shape)

    def put(self, x, block, new, axis=1):
        """Write one block of positions."""
        return ops.slice_update(x, self._start(x, block, axis), new)

    def add(self, x, block, more):
        """Add to one block of positions of (B, H, N Q, D)."""
        return self.put(x, block, self.take(x, block, 2) + more, 2)

    def _start(self, x, block, axis):
        position = block * self.size
        places = [ops.zeros_like(position)] * len(x.shape)
        places[axis] = position
        return ops.stack(places)


def _lowest_of_parts(firsts):
    """The lowest numbers of all parts of a batch that JAX maps over.

    Else each part would be at a block of its own, and a step could not slice.
    """
    if keras.config.backend() != "jax":
        return firsts
    return _mapped_together()(firsts)


@functools.cache
def _mapped_together():
    """A function that gives back numbers, the lowest where they are mapped."""
    import jax

    @jax.custom_batching.custom_vmap
    def lowest(numbers):
        return numbers

    @lowest.def_vmap
    def of_all_parts(axis_size, in_batched, numbers):
        return lowest(ops.min(numbers, axis=0)), False

    return lowest


def _row_products(first, second):
    """Products of rows (B, Q, H, D) with such rows, (B, H, Q, Q)."""
    return _dot(by_head(first), by_head(second), (3, 3))


def _product(weights, axis, rows):
    """Sums of rows (B, Q, H, D), weighted by (B, H, Q, Q): (B, H, Q, D)."""
    return _dot(weights, by_head(rows), (axis, 2))


def _dot(first, second, contracted):
    """A matrix product in float32, in which the units add up in any case.

    In half precision scores would be rounded before the softmax, and sums of
    values could exceed what float16 holds.
    """
    if keras.config.backend() == "jax":
        import jax

        axes = tuple((axis,) for axis in contracted)
        return jax.lax.dot_general(
            first,
            second,
            (axes, ((0, 1), (0, 1))),
            preferred_element_type="float32",
        )
    import tensorflow as tf
    from tensorflow.compiler.tf2xla.python import xla
    from tensorflow.compiler.xla import xla_data_pb2

    dimensions = xla_data_pb2.DotDimensionNumbers(
        lhs_batch_dimensions=(0, 1),
        rhs_batch_dimensions=(0, 1),
        lhs_contracting_dimensions=contracted[:1],
        rhs_contracting_dimensions=contracted[1:],
    )
    return xla.dot_general(
        first, second, dimensions, preferred_element_type=tf.float32
    )
