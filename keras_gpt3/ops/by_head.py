"""The axis of heads before that of positions, and back."""

from keras import ops


def by_head(x):
    """Swaps positions and heads: each head's rows lie side by side.

    Letters as in the backbone.
    """
    return ops.transpose(x, (0, 2, 1, 3))
