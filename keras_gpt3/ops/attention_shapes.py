"""What all attention functions share: their arguments, and what is visible."""

import math
import numbers

from keras import ops

from keras_gpt3.echoed_value import echoed


def check_attention_shapes(query, key, value, padding_mask=None):
    """Raises if the arguments of an attention function do not fit together."""
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


def attention_arguments(query, key, value, scale, padding_mask):
    """Brings the arguments of an attention function to tensors, checked."""
    query, key, value = map(ops.convert_to_tensor, (query, key, value))
    tensors = (query, key, value)
    if padding_mask is not None:
        padding_mask = ops.convert_to_tensor(padding_mask, dtype="bool")
        tensors += (padding_mask,)
    check_attention_shapes(*tensors)
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1])
    return tensors, float(scale)


def check_window(window, name="window"):
    """Raises unless `window` is a whole number of keys, at least 1."""
    whole = isinstance(window, numbers.Integral) and window is not True
    if not whole or window < 1:
        raise ValueError(
            f"{name} must be an integer of at least 1. Received: "
            f"{name}={echoed(window)}. Use dense attention to see every "
            "earlier key."
        )


def is_visible(distance, window):
    """Whether a query sees a key that stands `distance` before it.

    The one rule of all attention functions: 0 <= i - j < window, of a dense
    layer (`window` is `None`) 0 <= i - j.
    """
    visible = distance >= 0
    return visible if window is None else visible & (distance < window)


def _agree(first, second):
    """Whether two shapes are equal where both are known."""
    return len(first) == len(second) and all(
        a is None or b is None or a == b
        for a, b in zip(first, second, strict=True)
    )
