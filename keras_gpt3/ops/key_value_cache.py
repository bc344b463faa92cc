"""Rings of keys and values, one for each layer: what decoding remembers.

A ring of `size` slots holds the last `size` positions: position `p` lies in
slot `p % size`. A dense layer's ring is as long as the sequence, so that it
never comes round; a banded layer's has as many slots as its window (or as the
sequence is long, if that is shorter). Letters as in the backbone.
"""

from keras import ops

from keras_gpt3.ops.by_head import by_head
from keras_gpt3.ops.op_compilation import sees_whole


def ring_size(length, window=None):
    """How many slots a layer needs.

    Args:
        length: int or int tensor. Positions of the whole sequence.
        window: int. Keys that a query of a banded layer sees. Defaults to
            `None`, a dense layer.

    Returns:
        An int, or an int tensor.
    """
    if window is None:
        return length
    if isinstance(length, int):
        return min(window, length)
    return ops.where(length < window, length, window)


def ring_positions(size, end):
    """The position in each slot when those before `end` were written.

    Args:
        size: int or int tensor. Number of slots.
        end: int or int tensor. Number of positions written.

    Returns:
        An int tensor of shape `(size,)`; below 0 where nothing was written.

    Example:

    ```python
    from keras_gpt3.ops.key_value_cache import ring_positions

    ring_positions(size=4, end=6)  # [4, 5, 2, 3]
    ```
    """
    last = end - 1
    return last - (last - ops.arange(size, dtype="int32")) % size


def fill_ring(update, size, end):
    """A ring after a prompt.

    Args:
        update: tensor of shape `(B, T, H, D)`: keys or values of the positions
            from 0 on.
        size: int or int tensor. Number of slots.
        end: int or int tensor, at most T. Positions that count; those behind
            are not taken in.

    Returns:
        A tensor of shape `(B, H, size, D)`; slots of no position hold zeros.
    """
    update = by_head(update)
    positions = ring_positions(size, end)
    written = positions >= 0
    filled = ops.take(update, ops.where(written, positions, 0), axis=2)
    return ops.where(written[:, None], filled, ops.zeros_like(filled))


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
    from keras_gpt3.ops.key_value_cache import grow_ring

    grow_ring(np.ones((1, 2, 3, 4)), 8).shape  # (1, 2, 8, 4)
    ```
    """
    return ops.pad(ring, ((0, 0), (0, 0), (0, size - ring.shape[2]), (0, 0)))


def write_ring(ring, update, start):
    """A ring after some more positions.

    Args:
        ring: tensor of shape `(B, H, S, D)`, after the positions before
            `start`.
        update: tensor of shape `(B, T, H, D)`: those from `start` on.
        start: int or int tensor.

    Returns:
        A tensor of the shape of `ring`. A single position is written in place
        where the loop around leaves nobody else to hold the ring.
    """
    update = ops.cast(by_head(update), ring.dtype)
    size, length = ops.shape(ring)[2], ops.shape(update)[2]
    if update.shape[2] == 1:
        return _write_slot(ring, update, start % size)
    positions = ring_positions(size, start + length)
    new = ops.take(update, ops.clip(positions - start, 0, length - 1), axis=2)
    return ops.where((positions >= start)[:, None], new, ring)


def _write_slot(ring, update, slot):
    """Puts an update (B, H, 1, D) into one slot."""
    if sees_whole():
        slot = ops.cast(slot, "int32")
        return ops.slice_update(ring, (0, 0, slot, 0), update)
    # Stock TensorFlow has no kernel for the operation that `slice_update`
    # becomes; it scatters in place.
    batch, heads = ops.shape(ring)[0], ops.shape(ring)[1]
    rows = ops.stack(
        [
            ops.repeat(ops.arange(batch, dtype="int32"), heads),
            ops.tile(ops.arange(heads, dtype="int32"), [batch]),
            ops.broadcast_to(ops.cast(slot, "int32"), [batch * heads]),
        ],
        axis=1,
    )
    update = ops.reshape(update, (batch * heads, ring.shape[-1]))
    return ops.scatter_update(ring, rows, update)
