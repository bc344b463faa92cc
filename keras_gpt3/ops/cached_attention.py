"""Attention of new queries over a ring of keys and values."""

import math

from keras import ops

from keras_gpt3.ops.attention_shapes import by_head
from keras_gpt3.ops.attention_shapes import masked_softmax
from keras_gpt3.ops.attention_shapes import visible_keys
from keras_gpt3.ops.key_value_cache import ring_positions
from keras_gpt3.ops.key_value_cache import write_ring


def cached_attention(
    query, key, value, start_index, key_positions, window=None, scale=None
):
    """Attend from consecutive queries to cached positions, causally.

    Query `i` stands at position `start_index + i` and sees the keys whose
    positions `p` are at least 0 with `0 <= start_index + i - p < window`.

    Args:
        query: tensor of shape `(batch, queries, heads, head_dim)`.
        key: tensor of shape `(batch, heads, slots, head_dim)`.
        value: tensor of the shape of `key`.
        start_index: int or int tensor. Position of the first query.
        key_positions: int tensor of shape `(slots,)`. The position of each
            key; below 0 where there is none.
        window: int. Number of visible keys, as in `banded_attention`. Defaults
            to `None`, every earlier key.
        scale: float. Factor on the scores. Defaults to
            `1 / sqrt(head_dim)`.

    Returns:
        A tensor of the shape and dtype of `query`.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    cache = np.random.normal(size=(1, 2, 10, 8)).astype("float32")
    query = np.random.normal(size=(1, 1, 2, 8)).astype("float32")
    y = keras_gpt3.ops.cached_attention(
        query, cache, cache, start_index=4, key_positions=np.arange(10)
    )
    ```
    """
    query, key, value = map(ops.convert_to_tensor, (query, key, value))
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1])
    key_positions = ops.cast(key_positions, "int32")
    offsets = ops.arange(ops.shape(query)[1], dtype="int32")
    positions = ops.cast(start_index, "int32") + offsets
    visible = visible_keys(
        positions, key_positions, window, key_positions >= 0
    )  # (1, Q, S)
    query = by_head(query * scale)  # (B, H, Q, D)
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3))  # (B, H, Q, S)
    weights = ops.cast(masked_softmax(scores, visible), value.dtype)
    return by_head(ops.matmul(weights, value))


def ring_attention(query, key, value, rings, start, window=None, scale=None):
    """Causal attention of new positions to themselves and the earlier ones.

    Rings are read before they are written: XLA then has no reason to copy
    them. Symbols as in the backbone.
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

    start = ops.cast(start, "int32")
    positions = ring_positions(ops.shape(keys)[2], start)
    positions = ops.concatenate([positions, start[None]], axis=0)
    visible = visible_keys(start[None], positions, window, positions >= 0)
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


def _after(start, attended):
    """`start`, known only when `attended` is.

    Else a compiler may write into a ring that is still to be read, and would
    copy it for that at every position. Nothing is below minus infinity.
    """
    first = ops.cast(ops.ravel(attended)[0], "float32")
    return start + ops.cast(first < -math.inf, "int32")
