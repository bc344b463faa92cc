"""Keeps a model from tokens that its tokenizer does not know."""

from keras import ops

from keras_gpt3.generation.logit_filters import NEVER


def rule_out_unknown(logits, num_known):
    """Removes the scores of ids beyond the tokenizer's.

    A vocabulary is often made larger than the tokenizer's, to a multiple that
    devices divide; the additional ids have no text.
    """
    vocabulary_size = logits.shape[-1]
    if num_known is None or num_known >= vocabulary_size:
        return logits
    logits = ops.convert_to_tensor(logits)
    known = ops.arange(vocabulary_size, dtype="int32") < num_known
    return ops.where(known, logits, ops.cast(NEVER, logits.dtype))
