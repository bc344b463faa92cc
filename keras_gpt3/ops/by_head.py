"""The axis of heads before that of positions, and back."""

from keras import ops


def by_head(x):
    """Swaps positions and heads: each head's rows lie side by side.

    Letters as in the backbone.

    Args:
        x: tensor of shape `(B, T, H, D)`, or `(B, H, T, D)` to swap back.

    Returns:
        A tensor of shape `(B, H, T, D)`, or `(B, T, H, D)`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.ops.by_head import by_head

    by_head(np.ones((1, 10, 2, 8))).shape  # (1, 2, 10, 8)
    ```
    """
    return ops.transpose(x, (0, 2, 1, 3))
