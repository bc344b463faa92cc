"""Softmax over the visible keys."""

from keras import ops


def masked_softmax(scores, visible):
    """Softmax over the last axis among visible entries, in float32.

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
    # Half of the lowest float32: subtracting a maximum cannot overflow.
    scores = ops.where(visible, scores, -1.7e38)
    scores = scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    weights = ops.where(visible, ops.exp(scores), 0.0)
    total = ops.sum(weights, axis=-1, keepdims=True)
    return weights / ops.where(total == 0.0, 1.0, total)
