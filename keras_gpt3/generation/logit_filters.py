"""Filters on the scores of the next token."""

from keras import ops

NEVER = -1e30


def keep_top_k(logits, k):
    """Removes all but the `k` highest scores of each row.

    Scores that tie with the `k`-th are kept.

    Args:
        logits: tensor of shape `(batch, vocabulary_size)`, any float dtype.
        k: int or int tensor. Number of tokens to keep; 0 keeps all.

    Returns:
        A tensor of the shape and dtype of `logits`; removed scores are
        `-1e30`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.generation import keep_top_k

    keep_top_k(np.array([[1.0, 3.0, 2.0]]), 2)  # [[-1e30, 3.0, 2.0]]
    ```
    """
    vocabulary_size = logits.shape[-1]
    k = ops.where(k > 0, ops.minimum(k, vocabulary_size), vocabulary_size)
    ascending = ops.sort(logits, axis=-1)
    lowest_kept = ops.take(ascending, [vocabulary_size - k], axis=-1)
    return ops.where(
        logits >= lowest_kept, logits, ops.cast(NEVER, logits.dtype)
    )
