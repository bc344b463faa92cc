"""Attention of new queries over a ring of keys and values."""

import math

from keras import ops

from keras_gpt3.ops.attention_shapes import is_visible
from keras_gpt3.ops.by_head import by_head
from keras_gpt3.ops.masked_softmax import masked_softmax


def cached_attention(
    query, key, value, start_index, key_positions, window=None, scale=None
):
    """Causal attention of consecutive queries over cached positions.

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
    distance = positions[:, None] - key_positions[None, :]  # (Q, S)
    visible = is_visible(distance, window) & (key_positions >= 0)
    query = by_head(query * scale)  # (B, H, Q, D)
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3))  # (B, H, Q, S)
    weights = ops.cast(masked_softmax(scores, visible), value.dtype)
    return by_head(ops.matmul(weights, value))
