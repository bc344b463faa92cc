"""Attention of new queries over a cache of keys and values."""

import math

from keras import ops

from keras_gpt3.ops.masked_softmax import masked_softmax


def cached_attention(query, key, value, start_index, window=None, scale=None):
    """Causal attention of consecutive queries over all cached positions.

    Query `i` stands at position `start_index + i` and sees the cached keys at
    positions `j` with `0 <= start_index + i - j < window`. What the cache
    holds beyond the query's own position is never seen.

    Args:
        query: tensor of shape `(batch, queries, heads, head_dim)`.
        key: tensor of shape `(batch, length, heads, head_dim)`, the cache.
        value: tensor of the shape of `key`, the cache.
        start_index: int or int tensor. Position of the first query.
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

    cache = np.random.normal(size=(1, 10, 2, 8)).astype("float32")
    query = np.random.normal(size=(1, 1, 2, 8)).astype("float32")
    y = keras_gpt3.ops.cached_attention(query, cache, cache, start_index=4)
    ```
    """
    query, key, value = map(ops.convert_to_tensor, (query, key, value))
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1])
    positions = start_index + ops.arange(ops.shape(query)[1])
    distance = positions[:, None] - ops.arange(ops.shape(key)[1])[None, :]
    visible = distance >= 0
    if window is not None:
        visible = visible & (distance < window)
    scores = ops.einsum("bqhd,bkhd->bhqk", query * scale, key)
    weights = ops.cast(masked_softmax(scores, visible), value.dtype)
    return ops.einsum("bhqk,bkhd->bqhd", weights, value)
