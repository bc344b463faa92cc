"""Attention of new queries over a ring of keys and values.

An export's slots are written in place, by an operation of TensorFlow's own.
"""

import math

from keras import ops

from keras_gpt3.ops.attention.attention_shapes import by_head
from keras_gpt3.ops.attention.attention_shapes import check_cache_shapes
from keras_gpt3.ops.attention.attention_shapes import check_window
from keras_gpt3.ops.attention.attention_shapes import masked_softmax
from keras_gpt3.ops.attention.attention_shapes import visible_keys
from keras_gpt3.ops.op_compilation import in_xla_program


def cached_attention(
    query, key, value, start_index, key_positions, window=None, scale=None
):
    """Attend from consecutive queries to cached positions, causally.

    Query `i` stands at position `start_index + i` and sees the keys whose
    positions `p` are at least 0 with `0 <= start_index + i - p < window`. Rows
    may stand at positions of their own.

    Args:
        query: tensor of shape `(batch, queries, heads, head_dim)`.
        key: tensor of shape `(batch, heads, slots, head_dim)`.
        value: tensor of the shape of `key`.
        start_index: int, or int tensor of shape `()` or `(batch,)`. Position
            of the first query.
        key_positions: int tensor of shape `(slots,)` or `(batch, slots)`. The
            position of each key; below 0 where there is none.
        window: int. Number of visible keys, as in `banded_attention`. Defaults
            to `None`, every earlier key.
        scale: float. Factor on the scores. Defaults to
            `1 / sqrt(head_dim)`.

    Returns:
        A tensor of the shape and dtype of `query`.

    Raises:
        ValueError: If the shapes do not fit together, or `window` is below 1.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    cache = np.random.normal(size=(1, 2, 10, 8)).astype("float32")
    query = np.random.normal(size=(1, 1, 2, 8)).astype("float32")
    y = keras_gpt3.ops.cached_attention(
        query, cache, cache, start_index=4, key_positions=np.arange(10)
    )
    ```
    """
    query, key, value = map(ops.convert_to_tensor, (query, key, value))
    key_positions = ops.cast(key_positions, "int32")
    check_cache_shapes(query, key, value, key_positions)
    if window is not None:
        check_window(window)
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1])
    positions = positions_from(start_index, ops.shape(query)[1])
    visible = _visible(positions, key_positions, window)
    query = by_head(query * scale)  # (B, H, Q, D)
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3))  # (B, H, Q, S)
    weights = ops.cast(masked_softmax(scores, visible), value.dtype)
    return by_head(ops.matmul(weights, value))


def ring_attention(
    query, key, value, rings, start, end=None, window=None, scale=None
):
    """Causal attention of new positions to themselves and the earlier ones.

    `start` is one position for all rows, or one for each. Where rows have an
    `end` each, what follows it is padding and not kept. A third entry of
    `rings` is the row of theirs at which the batch begins: rings may have more
    rows than it, and are returned with what was written to them. Rings are read
    before they are written: XLA then has no reason to copy them. Symbols as in
    the backbone.
    """
    query, key, value = map(ops.convert_to_tensor, (query, key, value))
    *rings, first = rings if len(rings) == 3 else (*rings, None)
    rings = own = tuple(map(ops.convert_to_tensor, rings))
    if first is not None:
        own = tuple(x[first : first + ops.shape(query)[0]] for x in rings)
    attend = _attend_position if query.shape[1] == 1 else _attend_chunk
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1])
    start = ops.cast(start, "int32")
    attended = attend(query, key, value, own, start, window, scale)
    start = _after(start, attended)
    if first is not None:
        after = (write_rows(rings[0], key, start, first),)
        after += (write_rows(rings[1], value, start, first),)
        return attended, (*after, key, value)
    after = (
        write_ring(rings[0], key, start, end),
        write_ring(rings[1], value, start, end),
    )
    return attended, after


def _attend_position(query, key, value, rings, start, window, scale):
    """Attention of a single position; keys are read as they lie."""
    keys, values = rings
    column = ops.transpose(query * scale, (0, 2, 3, 1))  # (B, H, D, 1)
    earlier = ops.matmul(keys, column)  # (B, H, S, 1)
    own = ops.matmul(by_head(key), column)  # (B, H, 1, 1)
    scores = ops.concatenate([earlier, own], axis=2)[..., 0]  # (B, H, S + 1)

    positions = ring_positions(ops.shape(keys)[2], start)
    own = ops.expand_dims(start, -1)  # (1,) or (B, 1)
    positions = ops.concatenate([positions, own], axis=-1)
    visible = _visible(own, positions, window)[..., 0, :]
    weights = ops.cast(masked_softmax(scores, visible), value.dtype)
    weights = weights[:, :, None]  # (B, H, 1, S + 1)
    attended = ops.matmul(weights[..., :-1], values)  # (B, H, 1, D)
    attended = attended + weights[..., -1:] * by_head(value)
    return by_head(attended)


def _attend_chunk(query, key, value, rings, start, window, scale):
    """Attention of several positions, keys and values set side by side."""
    size, length = ops.shape(rings[0])[2], ops.shape(query)[1]
    positions = ops.concatenate(
        [ring_positions(size, start), positions_from(start, length)], axis=-1
    )
    keys, values = (
        ops.concatenate([ring, by_head(update)], axis=2)
        for ring, update in zip(rings, (key, value), strict=True)
    )
    return cached_attention(
        query, keys, values, start, positions, window, scale
    )


def _visible(queries, keys, window):
    """Which keys of a ring queries see, (Q, S) or, by row, (B, 1, Q, S)."""
    if len(keys.shape) == 2 or len(queries.shape) == 2:
        queries, keys = (ops.expand_dims(x, -2) for x in (queries, keys))
    visible = visible_keys(queries, keys, window)
    return visible & ops.expand_dims(keys >= 0, -2)


def positions_from(start, length):
    """Consecutive positions, (T,), or (B, T) where each row has a start."""
    offsets = ops.arange(length, dtype="int32")
    return ops.expand_dims(ops.cast(start, "int32"), -1) + offsets


def _after(start, attended):
    """`start`, known only when `attended` is.

    Else a compiler may write into a ring that is still to be read, and would
    copy it for that at every position. Nothing is below minus infinity.
    """
    first = ops.cast(ops.ravel(attended)[0], "float32")
    return start + ops.cast(first < -math.inf, "int32")


# Rings of keys and values, one for each layer: what decoding remembers.
#
# A ring of `size` slots holds the last `size` positions: position `p` lies in
# slot `p % size`. A dense layer's ring is as long as the sequence, so that it
# never comes round; a banded layer's has as many slots as its window (or as the
# sequence is long, if that is shorter). Symbols as in the backbone.


def ring_size(length, window=None):
    """How many slots a layer needs."""
    if window is None:
        return length
    if isinstance(length, int):
        return min(window, length)
    return ops.where(length < window, length, window)


def ring_positions(size, end):
    """The position in each slot when those before `end` were written.

    Of shape (S,), or (B, S) where each row has an end.
    """
    last = ops.expand_dims(ops.cast(end, "int32"), -1) - 1
    # Of no negative number: tf2onnx rounds its quotient towards zero.
    return last - (last + size - ops.arange(size, dtype="int32")) % size


def fill_ring(update, size, end):
    """A ring after a prompt, or after prompts that end each at its own."""
    positions = ring_positions(size, end)
    # On JAX `maximum` makes floats of ints where Keras' type is bfloat16.
    places = ops.where(positions < 0, 0, positions)
    if len(places.shape) == 1:
        filled = ops.take(by_head(update), places, axis=2)
        is_filled = (positions >= 0)[:, None]
    else:
        filled = by_head(_take_of_rows(update, places))
        is_filled = (positions >= 0)[:, None, :, None]
    return ops.where(is_filled, filled, ops.zeros_like(filled))


def _take_of_rows(x, places):
    """What stands at each row's places (B, S) of (B, T, H, D)."""
    batch, length = ops.shape(x)[0], ops.shape(x)[1]
    flat = ops.reshape(x, (-1, *x.shape[2:]))
    starts = ops.arange(batch, dtype="int32")[:, None] * length
    return ops.take(flat, starts + places, axis=0)


def grow_ring(ring, size, end=None):
    """A ring with more slots.

    Position `p` stays in slot `p` where a ring has not come round yet; one
    that may have needs the `end` of what was written, of all rows or of each.
    """
    old = ring.shape[2]
    if end is None or size == old:
        return ops.pad(ring, ((0, 0), (0, 0), (0, size - old), (0, 0)))
    positions = ring_positions(size, end)
    first = ops.maximum(ops.cast(end, "int32")[..., None] - old, 0)
    is_filled = (positions >= first)[..., None, :, None]
    batch, heads, _, width = ops.shape(ring)
    lines = ops.arange(batch * heads, dtype="int32") * old
    lines = ops.reshape(lines, (batch, heads, 1))
    lines = lines + (positions % old)[..., None, :]  # (B, H, S)
    grown = ops.take(ops.reshape(ring, (-1, width)), lines, axis=0)
    return ops.where(is_filled, grown, ops.zeros_like(grown))


def write_ring(ring, update, start, end=None):
    """A ring after some more positions, or those before each row's end."""
    if end is not None:
        return _write_up_to(ring, update, start, end)
    update = ops.cast(by_head(update), ring.dtype)
    start = ops.cast(start, "int32")
    size, length = ops.shape(ring)[2], ops.shape(update)[2]
    if len(start.shape) and start.shape[0] == 1:
        start = start[0]
    if len(start.shape):
        return _scatter(ring, update, start)
    if update.shape[2] == 1:
        return _write_slot(ring, update, start % size)
    positions = ring_positions(size, start + length)
    new = ops.take(update, ops.clip(positions - start, 0, length - 1), axis=2)
    return ops.where((positions >= start)[:, None], new, ring)


def _write_up_to(ring, update, start, end):
    """A ring after those of more positions (B, T, H, D) that count."""
    start = ops.cast(start, "int32")[..., None]
    positions = ring_positions(ops.shape(ring)[2], end)  # (B, S)
    last = ops.shape(update)[1] - 1
    new = _take_of_rows(update, ops.clip(positions - start, 0, last))
    is_new = (positions >= start)[:, None, :, None]
    return ops.where(is_new, ops.cast(by_head(new), ring.dtype), ring)


def _write_slot(ring, update, slot):
    """Put an update (B, H, 1, D) into one slot."""
    if in_xla_program():
        return ops.slice_update(ring, (0, 0, slot, 0), update)
    # Stock TensorFlow has no kernel for the operation that `slice_update`
    # becomes; it scatters in place.
    return _scatter(ring, update, ops.broadcast_to(slot, ops.shape(ring)[:1]))


def write_rows(ring, update, start, first):
    """A ring, itself written, with an update of its rows from `first` on.

    In place, whoever else holds it: for variables, of which a scatter would
    make a copy at every position. TensorFlow only.
    """
    import tensorflow as tf

    ring = tf.convert_to_tensor(ring)
    update = tf.cast(by_head(update), ring.dtype)
    shape = tf.shape(ring)
    (row, head, slot), update = _places(update, start, shape[2])
    place = ((first + row) * shape[1] + head) * shape[2] + slot
    lines = tf.reshape(ring, (-1, ring.shape[3]))
    lines = tf.raw_ops.InplaceUpdate(x=lines, i=place, v=update)
    return tf.reshape(lines, shape)


def _scatter(ring, update, start):
    """Put each row of an update (B, H, T, D) where the row stands."""
    places, update = _places(update, start, ops.shape(ring)[2])
    return ops.scatter_update(ring, ops.stack(places, axis=-1), update)


def _places(update, start, size):
    """Rows, heads and slots of an update, each (N,), and its lines (N, D)."""
    (batch, heads, length) = ops.shape(update)[:3]
    if isinstance(size, int) and isinstance(length, int):
        kept = min(size, length)
    else:
        kept = ops.minimum(size, length)
    # Of positions that share a slot the last one counts.
    positions = positions_from(start + length - kept, kept)  # (B, T)
    shape = (batch, heads, kept)
    rows = ops.arange(batch, dtype="int32")[:, None, None]
    places = [rows, ops.arange(heads, dtype="int32")[None, :, None]]
    places += [(positions % size)[:, None]]
    places = [ops.reshape(ops.broadcast_to(x, shape), (-1,)) for x in places]
    update = update[:, :, length - kept :]
    return places, ops.reshape(update, (-1, update.shape[-1]))
