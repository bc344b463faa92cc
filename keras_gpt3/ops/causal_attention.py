"""Dense causal attention."""

from keras import ops

from keras_gpt3.ops.attention_shapes import attention_arguments
from keras_gpt3.ops.blocked_attention import blocked_attention
from keras_gpt3.ops.masked_softmax import masked_softmax
from keras_gpt3.ops.op_compilation import compiled_op


def causal_attention(query, key, value, scale=None, padding_mask=None):
    """Attention in which a query sees itself and everything before it.

    The dense layers of GPT-3 (section 2.1 of Brown et al. 2020). Key `j` is
    visible to query `i` iff `j <= i` and `padding_mask[j]`. The softmax is
    computed in float32. A query that sees no key returns zeros. Where the
    length is known, queries are taken in blocks that meet no later key, and
    memory grows linearly with the length.

    Args:
        query: tensor of shape `(batch, length, heads, head_dim)`.
        key: tensor of the shape of `query`.
        value: tensor of the shape of `query`.
        scale: float. Factor on the scores. Defaults to
            `1 / sqrt(head_dim)`.
        padding_mask: Optional. Bool tensor of shape `(batch, length)`, True
            where the key is visible. Defaults to `None`, all visible.

    Returns:
        A tensor of the shape and dtype of `query`.

    Raises:
        ValueError: If the shapes do not fit together.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    x = np.random.normal(size=(1, 10, 2, 8)).astype("float32")
    y = keras_gpt3.ops.causal_attention(x, x, x)  # (1, 10, 2, 8)
    ```
    """
    tensors, scale = attention_arguments(query, key, value, scale, padding_mask)
    query, *others = tensors
    if query.shape[1] is not None:
        return blocked_attention(query * scale, *others)
    return _causal_attention(*tensors, scale=scale)


@compiled_op
def _causal_attention(query, key, value, padding_mask=None, *, scale):
    """All scores at once, where the length is not known.

    Letters as in the backbone.
    """
    scores = ops.einsum("bqhd,bkhd->bhqk", query * scale, key)
    positions = ops.arange(ops.shape(query)[1])
    visible = positions[None, :] <= positions[:, None]  # (T, T)
    if padding_mask is not None:
        visible = visible & padding_mask[:, None, None, :]  # (B, 1, T, T)
    weights = ops.cast(masked_softmax(scores, visible), value.dtype)
    return ops.einsum("bhqk,bkhd->bqhd", weights, value)
