"""Makes room in rings of keys and values for a longer sequence."""

from keras import ops


def grow_ring(ring, size):
    """A ring with more slots.

    For rings that have not come round yet: position `p` stays in slot `p`.

    Args:
        ring: tensor of shape `(B, H, S, D)`.
        size: int, at least S.

    Returns:
        A tensor of shape `(B, H, size, D)`; the new slots hold zeros.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.ops.ring_growth import grow_ring

    grow_ring(np.ones((1, 2, 3, 4)), 8).shape  # (1, 2, 8, 4)
    ```
    """
    return ops.pad(ring, ((0, 0), (0, 0), (0, size - ring.shape[2]), (0, 0)))
