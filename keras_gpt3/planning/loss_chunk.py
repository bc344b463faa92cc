"""What the loss takes while it goes through the tokens, chunk by chunk.

The same size of a chunk as in `keras_gpt3.ops.token_chunks`, which this
folder cannot import without Keras; a test compares them.
"""

_CHUNK_LOGITS = 2**25
# The logits and their exponentials; in 16 bits XLA makes one of them in float32
# on the way.
_BYTES_OF_LOGIT = 8
# While a chunk is added to the gradient of the head: the gradient of its
# logits, and what is left of the logits or of those of the next chunk.
_LOGIT_ARRAYS_AT_SUM = 2


def chunk_tokens(vocabulary_size):
    """The most tokens in a chunk.

    Args:
        vocabulary_size: int.

    Returns:
        An int, a power of two.
    """
    return 2 ** max(0, (_CHUNK_LOGITS // vocabulary_size).bit_length() - 1)


def loss_chunk_bytes(sizes):
    """Bytes of the arrays of one chunk, and of the output head's copy.

    The gradient of the head, which lasts longer, is not among them.

    Args:
        sizes: `PassSizes`.

    Returns:
        An int, bytes.
    """
    chunks = -(-sizes.tokens // chunk_tokens(sizes.vocabulary))
    logits = -(-sizes.tokens // chunks) * sizes.vocabulary
    # The head in the dtype of the activations, as its gradient is at first.
    copy = sizes.table_weights * sizes.activation_bytes * sizes.is_mixed
    at_sum = _LOGIT_ARRAYS_AT_SUM * logits * sizes.activation_bytes + copy
    if chunks > 1:
        at_sum += sizes.table_weights * sizes.weight_bytes + copy
    return copy + max(_BYTES_OF_LOGIT * logits, at_sum)
