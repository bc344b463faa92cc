"""What the backward pass of one block takes beside what was kept for it."""

from keras_gpt3.planning.attention_blocks import largest_block

# Of `hidden_dim` numbers a token, in attention: gradients of the sum after it,
# of its output in both orders, of query, key and value, and two that grow with
# the blocks.
_ATTENTION_ARRAYS = 8
# Of the scores of the largest block, as they come one after the other: the
# weights, their gradient and that of the scores.
_SCORE_ARRAYS = 3


def block_workspace_bytes(sizes, window):
    """The most bytes of temporary arrays in the backward pass of a block.

    The feed-forward layers come first. When attention's turn comes, what was
    kept for them is gone.

    Args:
        sizes: `PassSizes`.
        window: int or `None`. The layer's, as in `sizes.windows`.

    Returns:
        An int, bytes.
    """
    return max(_feed_forward(sizes), _attention(sizes, window))


def largest_workspace(sizes):
    """`block_workspace_bytes` of the layer that takes most.

    Args:
        sizes: `PassSizes`.

    Returns:
        An int, bytes.
    """
    windows = set(sizes.windows)
    return max(block_workspace_bytes(sizes, window) for window in windows)


def _feed_forward(sizes):
    """The activation, its gradient and that of its input, and the output's."""
    numbers = sizes.tokens * (sizes.width + 3 * sizes.inner)
    # Under a mixed policy the kernel and its gradient before a cast.
    kernel = sizes.width * sizes.inner * sizes.is_mixed
    return sizes.activation_bytes * (numbers + 2 * kernel)


def _attention(sizes, window):
    scores = sizes.rows * sizes.heads * largest_block(sizes.length, window)
    arrays = sizes.tokens * _ATTENTION_ARRAYS * sizes.width
    gone = sizes.tokens * (sizes.width + sizes.inner)
    numbers = _SCORE_ARRAYS * scores + arrays - gone
    return sizes.activation_bytes * numbers
