"""Causal attention by blocks of queries, with a gradient of its own.

A block of queries meets only the keys up to its last one, so the upper
triangle of the scores is neither computed nor stored, and the backward pass
computes the probabilities again from the log-sum-exp of each row: memory grows
linearly with the length. The matrix products are left to the backend (oneDNN
on a CPU); only what stands between them is compiled as single operations.
"""

from keras import ops

from keras_gpt3.ops.op_compilation import compiled_op

BLOCK = 256


def blocked_causal_attention(query, key, value, padding_mask=None):
    """Causal attention of scaled queries, one block of queries at a time.

    Args:
        query: tensor of shape `(batch, length, heads, head_dim)`, already
            scaled; `length` must be known.
        key: tensor of the shape of `query`.
        value: tensor of the shape of `query`.
        padding_mask: Optional. Bool tensor of shape `(batch, length)`, True
            where the key is visible.

    Returns:
        A tensor of the shape and dtype of `query`.
    """

    @ops.custom_gradient
    def attend(query, key, value):
        # (B, T, H, D) -> (B, H, T, D)
        heads = [_swap(x) for x in (query, key, value)]
        output, log_sums = _forward(*heads, padding_mask)

        def gradient(*args, upstream=None):
            upstream = _swap(args[0] if upstream is None else upstream)
            gradients = _backward(
                *heads, output, log_sums, upstream, padding_mask
            )
            return tuple(_swap(x) for x in gradients)

        return _swap(output), gradient

    return attend(query, key, value)


def _swap(x):
    """Between (B, T, H, D) and (B, H, T, D)."""
    return ops.transpose(x, (0, 2, 1, 3))


def _bounds(length):
    """First and last position (exclusive) of each block of queries."""
    starts = range(0, length, BLOCK)
    return [(start, min(start + BLOCK, length)) for start in starts]


def _forward(query, key, value, padding_mask):
    """The output (B, H, T, D), and the log-sum-exp of each block's rows."""
    outputs, log_sums = [], []
    for start, end in _bounds(query.shape[2]):
        scores = ops.matmul(
            query[:, :, start:end], ops.swapaxes(key[:, :, :end], 2, 3)
        )  # (B, H, Q, K)
        weights, log_sum = _weights(
            scores, *_mask_up_to(padding_mask, end), start=start
        )
        outputs.append(ops.matmul(weights, value[:, :, :end]))
        log_sums.append(log_sum)
    return ops.concatenate(outputs, axis=2), log_sums


def _backward(query, key, value, output, log_sums, upstream, padding_mask):
    """Gradients with respect to query, key and value, each (B, H, T, D)."""
    # The softmax' gradient needs sum(weights x their gradient) of each row,
    # which is the output times its gradient.
    rows = ops.sum(
        ops.cast(output, "float32") * ops.cast(upstream, "float32"),
        axis=-1,
        keepdims=True,
    )
    d_query, d_key, d_value = [], None, None
    for (start, end), log_sum in zip(
        _bounds(query.shape[2]), log_sums, strict=True
    ):
        block, up = query[:, :, start:end], upstream[:, :, start:end]
        keys, values = key[:, :, :end], value[:, :, :end]
        weights, d_scores = _score_gradients(
            ops.matmul(block, ops.swapaxes(keys, 2, 3)),
            ops.matmul(up, ops.swapaxes(values, 2, 3)),
            log_sum,
            rows[:, :, start:end],
            *_mask_up_to(padding_mask, end),
            start=start,
        )
        d_query.append(ops.matmul(d_scores, keys))
        d_key = _grow(d_key, ops.matmul(ops.swapaxes(d_scores, 2, 3), block))
        d_value = _grow(d_value, ops.matmul(ops.swapaxes(weights, 2, 3), up))
    return ops.concatenate(d_query, axis=2), d_key, d_value


def _grow(total, update):
    """Adds an update over more keys than the total has had so far."""
    if total is None:
        return update
    known = total.shape[2]
    return ops.concatenate(
        [total + update[:, :, :known], update[:, :, known:]], axis=2
    )


def _mask_up_to(padding_mask, end):
    """The mask of the first keys, as further arguments: one or none."""
    return () if padding_mask is None else (padding_mask[:, :end],)


def _visible(scores, padding_mask, start):
    """Which keys the queries of a block see, (Q, K) or (B, 1, Q, K)."""
    queries, keys = scores.shape[2:]
    visible = ops.arange(keys)[None, :] <= start + ops.arange(queries)[:, None]
    if padding_mask is not None:
        visible = visible & padding_mask[:, None, None, :]
    return visible


@compiled_op
def _weights(scores, padding_mask=None, *, start):
    """Softmax over the visible keys in float32, and its log-sum-exp.

    As `masked_softmax`: a row that sees nothing gets zeros.
    """
    dtype = scores.dtype
    visible = _visible(scores, padding_mask, start)
    scores = ops.where(visible, ops.cast(scores, "float32"), -1.7e38)
    highest = ops.max(scores, axis=-1, keepdims=True)
    weights = ops.where(visible, ops.exp(scores - highest), 0.0)
    total = ops.sum(weights, axis=-1, keepdims=True)
    total = ops.where(total == 0.0, 1.0, total)
    return ops.cast(weights / total, dtype), highest + ops.log(total)


@compiled_op
def _score_gradients(
    scores, d_weights, log_sum, rows, padding_mask=None, *, start
):
    """The weights once more, and the gradient of the scores."""
    dtype = scores.dtype
    visible = _visible(scores, padding_mask, start)
    weights = ops.exp(ops.cast(scores, "float32") - log_sum)
    weights = ops.where(visible, weights, 0.0)
    d_scores = weights * (ops.cast(d_weights, "float32") - rows)
    return ops.cast(weights, dtype), ops.cast(d_scores, dtype)
