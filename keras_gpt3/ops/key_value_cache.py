"""Rings of keys and values, one for each layer: what decoding remembers.

A ring of `size` slots holds the last `size` positions: position `p` lies in
slot `p % size`. A dense layer's ring is as long as the sequence, so that it
never comes round; a banded layer's has as many slots as its window (or as the
sequence is long, if that is shorter). Symbols as in the backbone.
"""

from keras import ops

from keras_gpt3.ops.attention_shapes import by_head
from keras_gpt3.ops.op_compilation import sees_whole


def ring_size(length, window=None):
    """How many slots a layer needs."""
    if window is None:
        return length
    if isinstance(length, int):
        return min(window, length)
    return ops.where(length < window, length, window)


def ring_positions(size, end):
    """The position in each slot when those before `end` were written."""
    last = end - 1
    return last - (last - ops.arange(size, dtype="int32")) % size


def fill_ring(update, size, end):
    """A ring after a prompt."""
    update = by_head(update)
    positions = ring_positions(size, end)
    # On JAX `maximum` makes floats of ints where Keras' type is bfloat16.
    places = ops.where(positions < 0, 0, positions)
    filled = ops.take(update, places, axis=2)
    return ops.where((positions >= 0)[:, None], filled, ops.zeros_like(filled))


def grow_ring(ring, size):
    """A ring with more slots.

    For rings that have not come round yet: position `p` stays in slot `p`.
    """
    return ops.pad(ring, ((0, 0), (0, 0), (0, size - ring.shape[2]), (0, 0)))


def write_ring(ring, update, start):
    """A ring after some more positions."""
    update = ops.cast(by_head(update), ring.dtype)
    size, length = ops.shape(ring)[2], ops.shape(update)[2]
    if update.shape[2] == 1:
        return _write_slot(ring, update, start % size)
    positions = ring_positions(size, start + length)
    new = ops.take(update, ops.clip(positions - start, 0, length - 1), axis=2)
    return ops.where((positions >= start)[:, None], new, ring)


def _write_slot(ring, update, slot):
    """Put an update (B, H, 1, D) into one slot."""
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
