"""Penalties on tokens that have occurred already."""

from keras import ops

from keras_gpt3.generation.logit_filters import per_row


def penalize_repetition(logits, token_ids, index, penalty):
    """Make tokens of prompt and answer less likely, as CTRL does.

    Of every token that has occurred, a positive score is divided and a
    negative one multiplied by the penalty, however often it occurred (Keskar
    et al. 2019, section 4.1). Prompt and answer count alike, as in Hugging
    Face's and vLLM's samplers.

    Args:
        logits: tensor of shape `(batch, vocabulary_size)`, any float dtype.
        token_ids: int tensor of shape `(batch, length)`, known before `index`.
        index: int, or int tensor of shape `()` or `(batch,)`. Position that
            the scores are for.
        penalty: float, or float tensor of shape `()` or `(batch,)`, above 0.
            1 changes nothing, below 1 is a reward.

    Returns:
        A tensor of the shape and dtype of `logits`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.generation import penalize_repetition

    logits = np.array([[4.0, -1.0, 3.0]], "float32")
    token_ids = np.array([[0, 1, -1]])
    penalize_repetition(logits, token_ids, 2, 2.0)  # [[2.0, -2.0, 3.0]]
    ```
    """
    logits = ops.convert_to_tensor(logits)
    counts = _counts(logits, token_ids, 0, index)
    scores = ops.cast(logits, "float32")
    penalty = per_row(penalty, "float32")
    penalized = ops.where(scores > 0, scores / penalty, scores * penalty)
    return ops.cast(ops.where(counts > 0, penalized, scores), logits.dtype)


def penalize_presence(logits, token_ids, index, prompt_lengths, penalty):
    """Subtract a penalty from the tokens of the answer so far.

    As OpenAI's API and vLLM define it: what was generated counts, the prompt
    does not, and a token that occurred twice is penalized once.

    Args:
        logits: tensor of shape `(batch, vocabulary_size)`, any float dtype.
        token_ids: int tensor of shape `(batch, length)`, known before `index`.
        index: int, or int tensor of shape `()` or `(batch,)`. Position that
            the scores are for.
        prompt_lengths: int, or int tensor of shape `()` or `(batch,)`. The
            position at which the answer starts.
        penalty: float, or float tensor of shape `()` or `(batch,)`. 0 changes
            nothing, below 0 is a reward.

    Returns:
        A tensor of the shape and dtype of `logits`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.generation import penalize_presence

    logits = np.array([[4.0, -1.0, 3.0]], "float32")
    token_ids = np.array([[0, 1, 1, -1]])
    penalize_presence(logits, token_ids, 3, 1, 0.5)  # [[4.0, -1.5, 3.0]]
    ```
    """
    logits = ops.convert_to_tensor(logits)
    occurred = _counts(logits, token_ids, prompt_lengths, index) > 0
    return _subtract(logits, per_row(penalty, "float32"), occurred)


def penalize_frequency(logits, token_ids, index, prompt_lengths, penalty):
    """Subtract a penalty for each time a token occurs in the answer so far.

    As OpenAI's API and vLLM define it: what was generated counts, the prompt
    does not.

    Args:
        logits: tensor of shape `(batch, vocabulary_size)`, any float dtype.
        token_ids: int tensor of shape `(batch, length)`, known before `index`.
        index: int, or int tensor of shape `()` or `(batch,)`. Position that
            the scores are for.
        prompt_lengths: int, or int tensor of shape `()` or `(batch,)`. The
            position at which the answer starts.
        penalty: float, or float tensor of shape `()` or `(batch,)`. 0 changes
            nothing, below 0 is a reward.

    Returns:
        A tensor of the shape and dtype of `logits`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.generation import penalize_frequency

    logits = np.array([[4.0, -1.0, 3.0]], "float32")
    token_ids = np.array([[0, 1, 1, -1]])
    penalize_frequency(logits, token_ids, 3, 1, 0.5)  # [[4.0, -2.0, 3.0]]
    ```
    """
    logits = ops.convert_to_tensor(logits)
    counts = _counts(logits, token_ids, prompt_lengths, index)
    return _subtract(logits, per_row(penalty, "float32"), counts)


def _counts(logits, token_ids, start, end):
    """How often each token stands from `start` to below `end` of a row."""
    positions = ops.arange(ops.shape(token_ids)[1], dtype="int32")
    counted = positions >= per_row(start, "int32")
    counted = counted & (positions < per_row(end, "int32"))
    return count_tokens(token_ids, counted, logits.shape[-1])


def _subtract(logits, penalty, factor):
    """Subtract in float32, where small penalties of large scores count."""
    scores = ops.cast(logits, "float32")
    return ops.cast(
        scores - penalty * ops.cast(factor, "float32"), logits.dtype
    )


def count_tokens(token_ids, mask, vocabulary_size):
    """Count the tokens of each row.

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
