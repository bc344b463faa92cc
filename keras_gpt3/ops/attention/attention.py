"""Causal attention, dense and locally banded: the ops, and who runs them."""

import math

from keras import ops

from keras_gpt3.ops.attention.attention_loop import looped_attention
from keras_gpt3.ops.attention.attention_shapes import attention_arguments
from keras_gpt3.ops.attention.attention_shapes import check_window
from keras_gpt3.ops.attention.attention_shapes import masked_softmax
from keras_gpt3.ops.attention.attention_shapes import visible_keys
from keras_gpt3.ops.attention.blocked_attention import blocked_attention
from keras_gpt3.ops.attention.fused_attention import fused_attention
from keras_gpt3.ops.attention.fused_attention import is_fused
from keras_gpt3.ops.op_compilation import compiled_op
from keras_gpt3.ops.op_compilation import in_xla_program


def causal_attention(
    query, key, value, scale=None, padding_mask=None, segment_ids=None
):
    """Attend from each query to itself and everything before it.

    The dense layers of GPT-3 (section 2.1 of Brown et al. 2020). Key `j` is
    visible to query `i` iff `j <= i`, `padding_mask[j]` and `segment_ids[j] ==
    segment_ids[i]`. The softmax is computed in float32. A query that sees no
    key returns zeros.

    Scores exist for a block of queries at a time and training keeps none, so
    that memory grows linearly with the length, but for the last case:

    - Where XLA compiles the whole program (JAX, and TensorFlow with
      `jit_compile=True`), as a compiled loop over pairs of blocks that see each
      other. Its program does not grow with the length. Pairs without a
      segment in common, in any row of the batch, are skipped.
    - On an NVIDIA GPU of compute capability 8 or more, in half precision with
      heads of at most 128 numbers, a multiple of 8, by cuDNN's fused kernels in
      batches without padding and programs without segments; see
      `keras_gpt3.ops.set_fused_attention`.
    - Where TensorFlow runs operation by operation, by blocks of queries whose
      products go to its own kernels and whose softmax XLA compiles.
    - In a TensorFlow graph that does not know the length, which XLA does not
      compile, all scores at once: memory is quadratic.

    Args:
        query: tensor of shape `(batch, length, heads, head_dim)`.
        key: tensor of the shape of `query`.
        value: tensor of the shape of `query`.
        scale: float. Factor on the scores. Defaults to
            `1 / sqrt(head_dim)`.
        padding_mask: bool tensor of shape `(batch, length)`. True where the
            key is visible. Defaults to `None`, all visible.
        segment_ids: int tensor of shape `(batch, length)`. Equal where two
            positions are of one document, and may see each other. Defaults to
            `None`, one document.

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
    return attend(query, key, value, None, scale, padding_mask, segment_ids)


def banded_attention(
    query, key, value, window, scale=None, padding_mask=None, segment_ids=None
):
    """Attend from each query to the last `window` keys, itself included.

    The locally banded layers of GPT-3 (section 2.1 of Brown et al. 2020, "as
    in the Sparse Transformer"). Key `j` is visible to query `i` iff
    `0 <= i - j < window`, `padding_mask[j]` and `segment_ids[j] ==
    segment_ids[i]`: exactly `window` keys, the convention of GPT-Neo and of
    OpenAI's sparse-attention code. The paper does not give the width.

    Runs as `causal_attention` does. Blocks of queries meet only the blocks of
    keys that their band touches, so that time and memory grow with
    `length * window`, also where the length is not known.

    Args:
        query: tensor of shape `(batch, length, heads, head_dim)`.
        key: tensor of the shape of `query`.
        value: tensor of the shape of `query`.
        window: int. Number of visible keys, the query's own included; at
            least 1. A window of `length` or more is dense causal attention.
        scale: float. Factor on the scores. Defaults to
            `1 / sqrt(head_dim)`.
        padding_mask: bool tensor of shape `(batch, length)`. True where the
            key is visible. Defaults to `None`, all visible.
        segment_ids: int tensor of shape `(batch, length)`. Equal where two
            positions are of one document, and may see each other. Defaults to
            `None`, one document.

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
    return attend(
        query, key, value, int(window), scale, padding_mask, segment_ids
    )


def attend(
    query,
    key,
    value,
    window=None,
    scale=None,
    padding_mask=None,
    segment_ids=None,
):
    """Attention, dense without a window, as suits the program around it."""
    tensors, masks, scale = attention_arguments(
        query, key, value, scale, padding_mask, segment_ids
    )
    length = tensors[0].shape[1]
    if None not in (window, length) and window >= length:
        window = None
    if in_xla_program():
        run = looped_attention
        if is_fused(tensors[0], has_segments=segment_ids is not None):
            run = fused_attention
    elif length is not None:
        run = blocked_attention
    else:
        run = _dense_at_once if window is None else _banded_at_once
    return run(*tensors, *masks, window=window, scale=scale)


@compiled_op
def _dense_at_once(
    query, key, value, padding_mask=None, segment_ids=None, *, window, scale
):
    """All scores at once, where the length is not known."""
    scores = ops.einsum("bqhd,bkhd->bhqk", query * scale, key)
    positions = ops.arange(ops.shape(query)[1], dtype="int32")
    # (T, T) or (B, 1, T, T)
    segments = () if segment_ids is None else (segment_ids, segment_ids)
    visible = visible_keys(positions, positions, window, padding_mask, segments)
    weights = ops.cast(masked_softmax(scores, visible), value.dtype)
    return ops.einsum("bhqk,bkhd->bqhd", weights, value)


@compiled_op
def _banded_at_once(
    query, key, value, padding_mask=None, segment_ids=None, *, window, scale
):
    """All blocks at once, where the length is not known.

    Symbols as in the backbone, and: N blocks, P earlier blocks that a band
    reaches into, K = (P + 1) Q keys that a block meets.
    """
    # Half a window: a larger block computes more scores outside the band, a
    # smaller one makes the matrix products too thin.
    size = min(128, max(32, 2 ** math.ceil(math.log2(max(window, 2) / 2))))
    earlier = -(-(window - 1) // size)
    length = ops.shape(query)[1]

    query = _blocks(query * scale, size)  # (B, N, Q, H, D)
    key = _neighbourhoods(_blocks(key, size), earlier)  # (B, N, K, H, D)
    value = _neighbourhoods(_blocks(value, size), earlier)  # (B, N, K, H, D)
    scores = ops.einsum("bnqhd,bnkhd->bnhqk", query, key)

    offsets = ops.arange((earlier + 1) * size, dtype="int32")
    blocks = ops.arange(ops.shape(query)[1], dtype="int32")
    mask = (blocks[:, None] - earlier) * size + offsets >= 0  # (N, K)
    if padding_mask is not None:
        keys = _neighbourhoods(_blocks(padding_mask, size), earlier)
        mask = mask & keys  # (B, N, K)
    segments = ()
    if segment_ids is not None:
        ids = _blocks(segment_ids, size)  # (B, N, Q)
        segments = (ids, _neighbourhoods(ids, earlier))
    # (N, 1, Q, K) or (B, N, 1, Q, K)
    queries = earlier * size + offsets[:size]
    visible = visible_keys(queries, offsets, window, mask, segments)

    weights = ops.cast(masked_softmax(scores, visible), value.dtype)
    output = ops.einsum("bnhqk,bnkhd->bnqhd", weights, value)
    # (B, N, Q, H, D) -> (B, N Q, H, D) -> (B, T, H, D)
    output = ops.reshape(output, (ops.shape(output)[0], -1, *output.shape[3:]))
    return output[:, :length]


def _blocks(x, size):
    """(B, T, ...) to blocks (B, N, Q, ...), the last one padded."""
    length = ops.shape(x)[1]
    # Of no negative number: tf2onnx rounds its quotient towards zero.
    x = _pad(x, 0, size - 1 - (length - 1) % size)
    return ops.reshape(x, (ops.shape(x)[0], -1, size, *x.shape[2:]))


def _neighbourhoods(x, earlier):
    """(B, N, Q, ...) to each block with those before it, (B, N, K, ...)."""
    blocks = ops.shape(x)[1]
    x = _pad(x, earlier, 0)
    shifted = [x[:, i : i + blocks] for i in range(earlier + 1)]
    return ops.concatenate(shifted, axis=2)


def _pad(x, before, after):
    """Pad axis 1 with zeros (False)."""
    width = [[0, 0], [before, after]] + [[0, 0]] * (len(x.shape) - 2)
    return ops.pad(x, width)
