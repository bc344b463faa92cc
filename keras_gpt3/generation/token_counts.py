"""How often each token of the vocabulary occurs."""

from keras import ops


def count_tokens(token_ids, mask, vocabulary_size):
    """Counts the tokens of each row.

    The counts are scattered into place: no array of shape
    `(batch, length, vocabulary_size)` is made.
    """
    token_ids = ops.cast(token_ids, "int32")
    shape = ops.shape(token_ids)
    mask = ops.broadcast_to(mask, shape)
    rows = ops.broadcast_to(ops.arange(shape[0], dtype="int32")[:, None], shape)
    # What does not count adds nothing to id 0.
    cells = ops.stack([rows, ops.where(mask, token_ids, 0)], axis=-1)
    return ops.scatter(
        cells, ops.cast(mask, "int32"), (shape[0], vocabulary_size)
    )
