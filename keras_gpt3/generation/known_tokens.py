"""Keeps a model from tokens that its tokenizer does not know."""

from keras import ops

from keras_gpt3.generation.logit_filters import NEVER


def rule_out_unknown(logits, num_known):
    """Removes the scores of ids beyond the tokenizer's.

    A vocabulary is often made larger than the tokenizer's, to a multiple that
    devices divide; the additional ids have no text.

    Args:
        logits: tensor of shape `(batch, vocabulary_size)`.
        num_known: int. Ids that the tokenizer has, or `None` for all.

    Returns:
        A tensor of the shape and dtype of `logits`; removed scores are
        `-1e30`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.generation.known_tokens import rule_out_unknown

    rule_out_unknown(np.array([[1.0, 2.0, 3.0]]), 2)  # [[1.0, 2.0, -1e30]]
    ```
    """
    vocabulary_size = logits.shape[-1]
    if num_known is None or num_known >= vocabulary_size:
        return logits
    logits = ops.convert_to_tensor(logits)
    known = ops.arange(vocabulary_size, dtype="int32") < num_known
    return ops.where(known, logits, ops.cast(NEVER, logits.dtype))
