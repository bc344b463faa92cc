"""How often each token of the vocabulary occurs."""

from keras import ops


def count_tokens(token_ids, mask, vocabulary_size):
    """Counts the tokens of each row.

    The counts are scattered into place: no array of shape
    `(batch, length, vocabulary_size)` is made.

    Args:
        token_ids: int tensor of shape `(batch, length)`, from 0 to below
            `vocabulary_size` where `mask` is set, anything elsewhere.
        mask: bool tensor of shape `(batch, length)` or `(1, length)`, True on
            the tokens that count.
        vocabulary_size: int.

    Returns:
        An int32 tensor of shape `(batch, vocabulary_size)`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.generation.token_counts import count_tokens

    token_ids = np.array([[2, 0, 2, -1]])
    count_tokens(token_ids, token_ids >= 0, 3)  # [[1, 0, 2]]
    ```
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
