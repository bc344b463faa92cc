"""Causal attention by blocks of queries, where TensorFlow runs op by op.

A block of queries meets only the keys that it can see, so that no score
outside the triangle or the band is computed, but for those at the edge of a
block. The backward pass computes the probabilities again from the log-sum-exp
of each row: memory grows linearly with the length. The matrix products are
left to TensorFlow (oneDNN on a CPU); only what stands between them is compiled,
as single operations. What XLA compiles as a whole is `attention_loop`'s.

Symbols as in the backbone; a block of queries meets K keys.
"""

import keras
from keras import ops

from keras_gpt3.ops.attention.attention_shapes import LOWEST
from keras_gpt3.ops.attention.attention_shapes import block_bounds
from keras_gpt3.ops.attention.attention_shapes import by_head
from keras_gpt3.ops.attention.attention_shapes import visible_keys
from keras_gpt3.ops.op_compilation import compiled_op
from keras_gpt3.ops.row_product import row_sums
from keras_gpt3.ops.with_dependencies import with_dependencies


def blocked_attention(query, key, value, *masks, window, scale):
    """Attention of queries to their last `window` keys, all if `None`.

    `masks` is the padding mask, or that and the segment ids, or nothing; the
    length must be known. Segments are masked out, not skipped: where they begin
    is not known when the blocks are cut.
    """

    @ops.custom_gradient
    def attend(query, key, value):
        # (B, T, H, D) -> (B, H, T, D)
        heads = [by_head(x) for x in (query, key, value)]
        output, log_sums = _forward(*heads, masks, window)
        output = by_head(output)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            # The softmax' gradient needs sum(weights x their gradient) of each
            # row, which is the output times its gradient.
            rows = by_head(_row_products(output, upstream))  # (B, H, T, 1)
            upstream = by_head(upstream)
            # Else TensorFlow computes the weights again before it is time.
            inputs = with_dependencies(heads, upstream)
            gradients = _backward(
                *inputs, log_sums, upstream, rows, masks, window
            )
            return tuple(map(by_head, gradients))

        return output, gradient

    return attend(query * scale, key, value)


def _forward(query, key, value, masks, window):
    """The output (B, H, T, D), and the log-sum-exp of each block's rows."""
    outputs, log_sums = [], []
    for first, start, end in block_bounds(query.shape[2], window):
        # One block after the other: TensorFlow would begin with all of them.
        block = _positions(query, start, end, outputs[-1:])
        keys, values = (
            _positions(x, first, end, outputs[-1:]) for x in (key, value)
        )
        scores = ops.matmul(block, ops.swapaxes(keys, 2, 3))  # (B, H, Q, K)
        seen = _of_block(masks, first, start, end)
        band = {"offset": start - first, "window": window}
        highest = _highest(scores, *seen, **band)
        weights = _weights(scores, highest, *seen, **band)
        total = row_sums(weights)
        # Normalized after the product, where there are fewer numbers; in
        # float16 before it, else the sum of many values might overflow.
        early = keras.backend.standardize_dtype(values.dtype) == "float16"
        if early:
            weights = _shares(weights, total)
        output, log_sum = _normalize(
            ops.matmul(weights, values), total, highest, is_done=early
        )
        outputs.append(output)
        log_sums.append(log_sum)
    return ops.concatenate(outputs, axis=2), log_sums


def _backward(query, key, value, log_sums, upstream, rows, masks, window):
    """Gradients with respect to query, key and value, each (B, H, T, D)."""
    d_query, d_key, d_value = [], _Overlap(), _Overlap()
    for (first, start, end), log_sum in zip(
        block_bounds(query.shape[2], window), log_sums, strict=True
    ):
        done = [*d_query[-1:], *d_key.open(), *d_value.open()]
        block = _positions(query, start, end, done)
        keys, values = (_positions(x, first, end, done) for x in (key, value))
        up = upstream[:, :, start:end]
        weights = _weights(
            ops.matmul(block, ops.swapaxes(keys, 2, 3)),
            log_sum,
            *_of_block(masks, first, start, end),
            offset=start - first,
            window=window,
        )
        d_scores = _score_gradient(
            weights,
            ops.matmul(up, ops.swapaxes(values, 2, 3)),
            rows[:, :, start:end],
        )
        d_query.append(ops.matmul(d_scores, keys))
        d_key.add(first, ops.matmul(ops.swapaxes(d_scores, 2, 3), block))
        d_value.add(first, ops.matmul(ops.swapaxes(weights, 2, 3), up))
    return ops.concatenate(d_query, axis=2), d_key.total(), d_value.total()


class _Overlap:
    """The sum of updates whose ranges of keys overlap, in rising order."""

    def __init__(self):
        self._complete, self._open, self._first = [], None, 0

    def add(self, first, update):
        """Add an update (B, H, K, D) of the keys from `first` on."""
        if self._open is not None:
            passed = first - self._first
            if passed:
                self._complete.append(self._open[:, :, :passed])
            rest = self._open[:, :, passed:]
            known = rest.shape[2]
            update = ops.concatenate(
                [rest + update[:, :, :known], update[:, :, known:]], axis=2
            )
        self._open, self._first = update, first

    def open(self):
        """The part of the sum that is not complete, in a list or none."""
        return [] if self._open is None else [self._open]

    def total(self):
        return ops.concatenate([*self._complete, self._open], axis=2)


def _positions(x, begin, end, others):
    """Some positions of a tensor (B, H, T, D), but not before others."""
    return with_dependencies(x, others)[:, :, begin:end]


def _of_block(masks, first, start, end):
    """The padding mask of a block's keys; the segments of queries and keys."""
    keys = [x[:, first:end] for x in masks]
    queries = [x[:, start:end] for x in masks[1:]]
    return [*keys[:1], *queries, *keys[1:]]


def _visible(scores, padding_mask, segments, offset, window):
    """Which keys the queries of a block see, (Q, K) or (B, 1, Q, K)."""
    queries, keys = scores.shape[2:]
    queries = offset + ops.arange(queries, dtype="int32")
    keys = ops.arange(keys, dtype="int32")
    return visible_keys(queries, keys, window, padding_mask, segments)


# Stages of the softmax, compiled one by one for the reason that `row_sums` has.


@compiled_op
def _highest(scores, padding_mask=None, *segments, offset, window):
    """The largest visible score of each row, (B, H, Q, 1) in float32."""
    visible = _visible(scores, padding_mask, segments, offset, window)
    # Added, not chosen: XLA does not vectorize a maximum with a condition in
    # it.
    lowered = LOWEST - ops.cast(visible, "float32") * LOWEST
    scores = ops.cast(scores, "float32") + lowered
    return ops.max(scores, axis=-1, keepdims=True)


@compiled_op
def _weights(scores, shift, padding_mask=None, *segments, offset, window):
    """`exp(scores - shift)` where visible, else 0."""
    visible = _visible(scores, padding_mask, segments, offset, window)
    weights = ops.exp(ops.cast(scores, "float32") - shift)
    return ops.cast(ops.where(visible, weights, 0.0), scores.dtype)


@compiled_op
def _shares(weights, total):
    """Weights that sum to 1, or to 0 in a row that sees nothing."""
    total = ops.where(total == 0.0, 1.0, total)
    return ops.cast(ops.cast(weights, "float32") / total, weights.dtype)


@compiled_op
def _normalize(output, total, highest, *, is_done):
    """The output, and the log-sum-exp of its rows.

    As `masked_softmax`: a row that sees nothing gives zeros.
    """
    total = ops.where(total == 0.0, 1.0, total)
    log_sum = highest + ops.log(total)
    if is_done:
        return output, log_sum
    normalized = ops.cast(output, "float32") / total
    return ops.cast(normalized, output.dtype), log_sum


@compiled_op
def _row_products(output, upstream):
    """The sum of each row of the product, (B, T, H, 1) in float32."""
    product = ops.cast(output, "float32") * ops.cast(upstream, "float32")
    return ops.sum(product, axis=-1, keepdims=True)


@compiled_op
def _score_gradient(weights, d_weights, rows):
    """The gradient of the scores, given that of the weights."""
    d_scores = ops.cast(d_weights, "float32") - rows
    return ops.cast(ops.cast(weights, "float32") * d_scores, weights.dtype)
