"""Locally banded causal attention on real blocks."""

import math

from keras import ops

from keras_gpt3.ops.attention_shapes import attention_arguments
from keras_gpt3.ops.attention_shapes import check_window
from keras_gpt3.ops.blocked_attention import blocked_attention
from keras_gpt3.ops.causal_attention import causal_attention
from keras_gpt3.ops.masked_softmax import masked_softmax
from keras_gpt3.ops.op_compilation import compiled_op


def banded_attention(query, key, value, window, scale=None, padding_mask=None):
    """Attention in which a query sees the last `window` keys, itself included.

    The locally banded layers of GPT-3 (section 2.1 of Brown et al. 2020, "as
    in the Sparse Transformer"). Key `j` is visible to query `i` iff
    `0 <= i - j < window` and `padding_mask[j]`: exactly `window` keys, the
    convention of GPT-Neo and of OpenAI's sparse-attention code. The paper does
    not give the width.

    Queries are taken in blocks and meet only the keys that their band touches,
    so that time and memory grow with `length * window`; no `(length, length)`
    array exists, and training keeps no weights. The softmax is computed in
    float32. A query that sees no key returns zeros.

    Args:
        query: tensor of shape `(batch, length, heads, head_dim)`.
        key: tensor of the shape of `query`.
        value: tensor of the shape of `query`.
        window: int. Number of visible keys, the query's own included; at
            least 1. A window of `length` or more is dense causal attention.
        scale: float. Factor on the scores. Defaults to
            `1 / sqrt(head_dim)`.
        padding_mask: Optional. Bool tensor of shape `(batch, length)`, True
            where the key is visible. Defaults to `None`, all visible.

    Returns:
        A tensor of the shape and dtype of `query`.

    Raises:
        ValueError: If the shapes do not fit together, or `window` is below 1.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    x = np.random.normal(size=(1, 10, 2, 8)).astype("float32")
    y = keras_gpt3.ops.banded_attention(x, x, x, window=3)  # (1, 10, 2, 8)
    ```
    """
    check_window(window)
    tensors, scale = attention_arguments(query, key, value, scale, padding_mask)
    length = tensors[0].shape[1]
    if length is None:
        return _banded_attention(*tensors, window=int(window), scale=scale)
    if window >= length:
        return causal_attention(*tensors[:3], scale, *tensors[3:])
    query, *others = tensors
    return blocked_attention(query * scale, *others, window=int(window))


def block_length(window):
    """The number of queries in a block, for a band of `window` keys.

    Half a window: a larger block computes more scores outside the band, a
    smaller one makes the matrix products too thin.

    Args:
        window: int. Number of visible keys.

    Returns:
        An int, a power of two from 32 to 128.
    """
    return min(128, max(32, 2 ** math.ceil(math.log2(max(window, 2) / 2))))


@compiled_op
def _banded_attention(query, key, value, padding_mask=None, *, window, scale):
    """All blocks at once, where the length is not known.

    Letters as in the backbone, and: N blocks, Q queries a block, P earlier
    blocks that a band reaches into, K = (P + 1) Q keys that a block meets.
    """
    size = block_length(window)
    earlier = -(-(window - 1) // size)
    length = ops.shape(query)[1]

    query = _blocks(query * scale, size)  # (B, N, Q, H, D)
    key = _neighbourhoods(_blocks(key, size), earlier)  # (B, N, K, H, D)
    value = _neighbourhoods(_blocks(value, size), earlier)  # (B, N, K, H, D)
    scores = ops.einsum("bnqhd,bnkhd->bnhqk", query, key)

    band = _band(size, earlier, window)  # (Q, K)
    first_key = ops.arange(ops.shape(query)[1]) * size - earlier * size
    exists = first_key[:, None] + ops.arange((earlier + 1) * size) >= 0
    visible = band & exists[:, None, None, :]  # (N, 1, Q, K)
    if padding_mask is not None:
        keys = _neighbourhoods(_blocks(padding_mask, size), earlier)
        visible = visible & keys[:, :, None, None, :]  # (B, N, 1, Q, K)

    weights = ops.cast(masked_softmax(scores, visible), value.dtype)
    output = ops.einsum("bnhqk,bnkhd->bnqhd", weights, value)
    # (B, N, Q, H, D) -> (B, N Q, H, D) -> (B, T, H, D)
    output = ops.reshape(output, (ops.shape(output)[0], -1, *output.shape[3:]))
    return output[:, :length]


def _band(size, earlier, window):
    """Which key offsets a query offset sees, (Q, K); equal in every block."""
    distance = (
        earlier * size
        + ops.arange(size)[:, None]
        - ops.arange((earlier + 1) * size)[None, :]
    )
    return (distance >= 0) & (distance < window)


def _blocks(x, size):
    """(B, T, ...) to blocks (B, N, Q, ...), the last one padded."""
    length = ops.shape(x)[1]
    x = _pad(x, 0, -length % size)
    return ops.reshape(x, (ops.shape(x)[0], -1, size, *x.shape[2:]))


def _neighbourhoods(x, earlier):
    """(B, N, Q, ...) to each block with those before it, (B, N, K, ...)."""
    blocks = ops.shape(x)[1]
    x = _pad(x, earlier, 0)
    shifted = [x[:, i : i + blocks] for i in range(earlier + 1)]
    return ops.concatenate(shifted, axis=2)


def _pad(x, before, after):
    """Pads axis 1 with zeros (False)."""
    width = [[0, 0], [before, after]] + [[0, 0]] * (len(x.shape) - 2)
    return ops.pad(x, width)
