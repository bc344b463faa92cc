"""What a pass keeps for the backward pass.

A decoder block keeps, of M numbers a token: its input, queries, keys and
values, the output of attention, and the sum after attention; of I numbers the
input of the activation; and a float32 log-sum-exp for each head. Norms and
activation are computed again, scores are never kept: dense and banded layers
keep the same.
"""

_BYTES_FLOAT32 = 4
_ARRAYS_OF_WIDTH = 6
_ARRAYS_OF_INNER = 1
# Input and output of the final normalization, and the gradient of the latter,
# which comes out of the loss.
_ARRAYS_AFTER_BLOCKS = 3


def block_bytes(sizes):
    """Bytes that a block keeps if it is not rematerialized.

    Under a mixed policy these include a copy of the kernel behind attention in
    the dtype of the activations; the others are made again.

    Args:
        sizes: `PassSizes`.

    Returns:
        An int, bytes.
    """
    numbers = _ARRAYS_OF_WIDTH * sizes.width + _ARRAYS_OF_INNER * sizes.inner
    extras = _BYTES_FLOAT32 * sizes.heads
    masks = 2 * sizes.width if sizes.drops else 0  # Bools, of both branches.
    per_token = numbers * sizes.activation_bytes + extras + masks
    copy = sizes.width**2 * sizes.activation_bytes if sizes.is_mixed else 0
    return sizes.tokens * per_token + copy


def input_bytes(sizes):
    """Bytes of a block's input, all that a rematerialized block keeps.

    Args:
        sizes: `PassSizes`.

    Returns:
        An int, bytes.
    """
    return sizes.tokens * sizes.width * sizes.activation_bytes


def again_bytes(sizes):
    """Bytes that a rematerialized block computes again for its gradient.

    Args:
        sizes: `PassSizes`.

    Returns:
        An int, bytes.
    """
    return block_bytes(sizes) - input_bytes(sizes)


def kept_by_layer(sizes):
    """Bytes that each block keeps until its backward pass.

    Args:
        sizes: `PassSizes`.

    Returns:
        A list of ints, bytes.
    """
    kept = {False: block_bytes(sizes), True: input_bytes(sizes)}
    return [kept[recomputed] for recomputed in sizes.recomputed]


def bytes_after_blocks(sizes):
    """Bytes that the end of the model keeps, before its first gradient.

    Args:
        sizes: `PassSizes`.

    Returns:
        An int, bytes.
    """
    masks = sizes.tokens * sizes.width if sizes.drops else 0
    return _ARRAYS_AFTER_BLOCKS * input_bytes(sizes) + masks
