"""The attention of a block, between its two projections."""

from keras import ops

from keras_gpt3.ops.banded_attention import banded_attention
from keras_gpt3.ops.causal_attention import causal_attention
from keras_gpt3.ops.key_value_cache import fill_ring
from keras_gpt3.ops.key_value_cache import ring_size
from keras_gpt3.ops.ring_attention import ring_attention


def block_attention(
    projected,
    num_heads,
    window=None,
    scale=None,
    padding_mask=None,
    cache=None,
    cache_index=None,
    cache_length=None,
):
    """Attends among positions, and keeps their keys and values.

    Args:
        projected: tensor of shape `(batch, length, 3 * hidden_dim)`: queries,
            keys and values.
        num_heads: int.
        window: int. Number of keys that a query sees, its own included.
            Defaults to `None`, all before it.
        scale: float. Factor on the scores. Defaults to `None`,
            `1 / sqrt(head_dim)`.
        padding_mask: bool tensor of shape `(batch, length)`, True where the
            position is visible. Defaults to `None`, all.
        cache: pair of rings of keys and values, as `DecoderBlock` takes it.
            Defaults to `None`, none.
        cache_index: int or int tensor. As there. Defaults to `None`.
        cache_length: int or int tensor. As there. Defaults to `None`.

    Returns:
        A pair of a tensor of shape `(batch, length, hidden_dim)`, and the
        cache after it, or `None`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.layers.block_attention import block_attention

    projected = np.ones((1, 10, 48), "float32")
    y, _ = block_attention(projected, num_heads=2, window=4)  # (1, 10, 16)
    ```
    """
    batch, length = ops.shape(projected)[0], ops.shape(projected)[1]
    width = projected.shape[-1] // 3
    heads = (batch, length, num_heads, width // num_heads)
    # (B, T, 3 M) -> three of (B, T, H, D)
    query, key, value = (
        ops.reshape(part, heads) for part in ops.split(projected, 3, axis=-1)
    )
    if cache is not None:
        attended, cache = ring_attention(
            query, key, value, cache, cache_index, window, scale
        )
    else:
        attended = _attend_all(query, key, value, padding_mask, window, scale)
        if cache_length is not None:
            size = ring_size(cache_length, window)
            cache = tuple(fill_ring(x, size, cache_index) for x in (key, value))
    # (B, T, H, D) -> (B, T, M)
    return ops.reshape(attended, (batch, length, width)), cache


def _attend_all(query, key, value, padding_mask, window, scale):
    """Attention among some positions, all (B, T, H, D)."""
    if window is None:
        return causal_attention(query, key, value, scale, padding_mask)
    return banded_attention(query, key, value, window, scale, padding_mask)
