"""Attention of new positions to rings of the earlier; the rings after it."""

import math

from keras import ops

from keras_gpt3.ops.attention_shapes import is_visible
from keras_gpt3.ops.by_head import by_head
from keras_gpt3.ops.cached_attention import cached_attention
from keras_gpt3.ops.key_value_cache import ring_positions
from keras_gpt3.ops.key_value_cache import write_ring
from keras_gpt3.ops.masked_softmax import masked_softmax


def ring_attention(query, key, value, rings, start, window=None, scale=None):
    """Causal attention of new positions to themselves and the earlier ones.

    Rings are read before they are written: XLA then has no reason to copy
    them. Letters as in the backbone.
    """
    query, key, value = map(ops.convert_to_tensor, (query, key, value))
    rings = tuple(map(ops.convert_to_tensor, rings))
    attend = _attend_position if query.shape[1] == 1 else _attend_chunk
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1])
    attended = attend(query, key, value, rings, start, window, scale)
    start = _after(ops.cast(start, "int32"), attended)
    after = (
        write_ring(rings[0], key, start),
        write_ring(rings[1], value, start),
    )
    return attended, after


def _attend_position(query, key, value, rings, start, window, scale):
    """Attention of a single position; keys are read as they lie."""
    keys, values = rings
    column = ops.transpose(query * scale, (0, 2, 3, 1))  # (B, H, D, 1)
    earlier = ops.matmul(keys, column)  # (B, H, S, 1)
    own = ops.matmul(by_head(key), column)  # (B, H, 1, 1)
    scores = ops.concatenate([earlier, own], axis=2)[..., 0]  # (B, H, S + 1)

    visible = _visible(ops.shape(keys)[2], start, window)
    weights = ops.cast(masked_softmax(scores, visible), value.dtype)
    weights = weights[:, :, None]  # (B, H, 1, S + 1)
    attended = ops.matmul(weights[..., :-1], values)  # (B, H, 1, D)
    attended = attended + weights[..., -1:] * by_head(value)
    return by_head(attended)


def _attend_chunk(query, key, value, rings, start, window, scale):
    """Attention of several positions, keys and values set side by side."""
    size, length = ops.shape(rings[0])[2], ops.shape(query)[1]
    positions = ops.concatenate(
        [ring_positions(size, start), start + ops.arange(length, dtype="int32")]
    )
    keys, values = (
        ops.concatenate([ring, by_head(update)], axis=2)
        for ring, update in zip(rings, (key, value), strict=True)
    )
    return cached_attention(
        query, keys, values, start, positions, window, scale
    )


def _visible(size, start, window):
    """Which slots a position sees, and itself, (S + 1,)."""
    positions = ring_positions(size, start)
    visible = is_visible(start - positions, window) & (positions >= 0)
    return ops.concatenate([visible, ops.ones((1,), "bool")], axis=0)


def _after(start, attended):
    """`start`, known only when `attended` is.

    Else a compiler may write into a ring that is still to be read, and would
    copy it for that at every position. Nothing is below minus infinity.
    """
    first = ops.cast(ops.ravel(attended)[0], "float32")
    return start + ops.cast(first < -math.inf, "int32")
