"""What all attention functions share: arguments, blocks, what is visible."""

import math
import numbers

import keras
from keras import ops

from keras_gpt3.argument_checks import echoed

# Queries in a block; measured at 12 heads of 64, length 2048. Smaller ones
# make the products too thin, larger ones compute more that is not seen, and
# hold larger scores.
DENSE_BLOCK = 256
BANDED_BLOCK = 128
# The score of a key that is masked out. Half of the lowest float32:
# subtracting a maximum cannot overflow.
LOWEST = -1.7e38


def check_attention_shapes(
    query, key, value, padding_mask=None, segment_ids=None
):
    """Raise if the arguments of an attention function do not fit together."""
    shapes = [tuple(x.shape) for x in (query, key, value)]
    if len(shapes[0]) != 4 or any(not _agree(shapes[0], s) for s in shapes[1:]):
        raise ValueError(
            "query, key and value must share one shape (batch, length, heads, "
            f"head_dim). Received: shapes={shapes}. Reshape or project them "
            "to the same shape."
        )
    if padding_mask is not None:
        mask_shape = tuple(padding_mask.shape)
        if not _agree(mask_shape, shapes[0][:2]):
            raise ValueError(
                "padding_mask must have shape (batch, length) = "
                f"{shapes[0][:2]}. Received: padding_mask.shape={mask_shape}. "
                "Pass one bool for each key, True where it is visible."
            )
    if segment_ids is not None:
        ids_shape = tuple(segment_ids.shape)
        dtype = keras.backend.standardize_dtype(segment_ids.dtype)
        if not _agree(ids_shape, shapes[0][:2]) or "int" not in dtype:
            raise ValueError(
                "segment_ids must be integers of shape (batch, length) = "
                f"{shapes[0][:2]}. Received: segment_ids.shape={ids_shape}, "
                f"dtype={dtype}. Pass the number of its document for each "
                "position."
            )


def check_cache_shapes(query, key, value, key_positions):
    """Raise if the arguments of `cached_attention` do not fit together."""
    tensors = (query, key, value, key_positions)
    query, key, value, positions = shapes = [tuple(x.shape) for x in tensors]
    if not (
        len(query) == len(key) == 4
        and _agree(key, value)
        and _agree((key[0], key[2])[-len(positions) :], positions)
        and _agree((query[0], *query[2:]), (*key[:2], key[3]))
    ):
        raise ValueError(
            "query must have shape (batch, queries, heads, head_dim), key and "
            "value (batch, heads, slots, head_dim), and key_positions (slots,) "
            f"or (batch, slots). Received: shapes={shapes}. Bring the heads of "
            "the cache before its positions."
        )


def attention_arguments(
    query, key, value, scale, padding_mask, segment_ids=None
):
    """Bring the arguments of an attention function to tensors, checked.

    Query, key and value; what else decides which keys are visible, a tuple;
    and the scale. The tuple is empty, or has the padding mask, or that and the
    segment ids.
    """
    query, key, value = map(ops.convert_to_tensor, (query, key, value))
    if padding_mask is not None:
        padding_mask = ops.convert_to_tensor(padding_mask, dtype="bool")
    if segment_ids is not None:
        segment_ids = ops.convert_to_tensor(segment_ids)
    check_attention_shapes(query, key, value, padding_mask, segment_ids)
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1])
    masks = () if padding_mask is None else (padding_mask,)
    if segment_ids is not None:
        # All functions know a mask alone, or one with segments.
        masks = masks or (ops.ones_like(segment_ids, dtype="bool"),)
        masks = (*masks, ops.cast(segment_ids, "int32"))
    return (query, key, value), masks, float(scale)


def check_window(window, name="window"):
    """Raise unless `window` is a whole number of keys, at least 1."""
    whole = isinstance(window, numbers.Integral) and window is not True
    if not whole or window < 1:
        raise ValueError(
            f"{name} must be an integer of at least 1. Received: "
            f"{name}={echoed(window)}. Use dense attention to see every "
            "earlier key."
        )


def visible_keys(queries, keys, window=None, padding_mask=None, segments=()):
    """Which keys the queries at some positions see, (..., Q, K).

    The one rule of all attention functions: key `j` is visible to query `i`
    iff `0 <= i - j < window`, of a dense layer (`window` is `None`) `0 <= i -
    j`, the padding mask (..., K) is True there, and both are of one segment,
    where there are such: the ids of the queries (..., Q) and the keys (..., K).
    """
    # Not by `[..., None]`: OpenVINO mistranslates such a slice of a scalar, and
    # LiteRT has no kernel for it.
    distance = ops.expand_dims(queries, -1) - ops.expand_dims(keys, -2)
    visible = distance >= 0
    if window is not None:
        visible = visible & (distance < window)
    if padding_mask is not None:
        visible = visible & ops.expand_dims(padding_mask, (-3, -2))
    if segments:
        of_queries, of_keys = segments
        same = ops.expand_dims(of_queries, -1) == ops.expand_dims(of_keys, -2)
        visible = visible & ops.expand_dims(same, -3)
    return visible


def block_size(window=None):
    """Queries in a block of a layer, positions in one of the loop."""
    return DENSE_BLOCK if window is None else BANDED_BLOCK


def block_bounds(length, window=None):
    """The blocks of queries, and the keys that each of them meets.

    Triples of the first key, the first query, and the end of both.
    """
    size = block_size(window)
    return [
        (
            0 if window is None else max(0, start - window + 1),
            start,
            min(start + size, length),
        )
        for start in range(0, length, size)
    ]


def _agree(first, second):
    """Whether two shapes are equal where both are known."""
    return len(first) == len(second) and all(
        a is None or b is None or a == b
        for a, b in zip(first, second, strict=True)
    )


def by_head(x):
    """Swap positions and heads: each head's rows lie side by side.

    Symbols as in the backbone.
    """
    return ops.transpose(x, (0, 2, 1, 3))


def masked_softmax(scores, visible):
    """Compute the softmax over the last axis among visible entries.

    A row without a visible entry gives zeros, not the uniform weights that an
    additive mask would give.

    Args:
        scores: tensor of shape `(..., keys)`, any float dtype.
        visible: bool tensor that broadcasts to the shape of `scores`.

    Returns:
        A float32 tensor of the shape of `scores`. Each row sums to 1, or to 0
        where nothing is visible.

    Example:

    ```python
    import numpy as np
    from keras_gpt3 import ops

    scores = np.zeros((1, 3), "float32")
    visible = np.array([[True, True, False]])
    ops.masked_softmax(scores, visible)  # [[0.5, 0.5, 0.0]]
    ```
    """
    scores = ops.cast(scores, "float32")
    scores = ops.where(visible, scores, LOWEST)
    scores = scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    weights = ops.where(visible, ops.exp(scores), 0.0)
    total = ops.sum(weights, axis=-1, keepdims=True)
    return weights / ops.where(total == 0.0, 1.0, total)
