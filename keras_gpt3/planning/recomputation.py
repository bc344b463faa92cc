"""What rematerialization costs in time: the share of a step's arithmetic."""

from keras_gpt3.planning.attention_blocks import num_scores
from keras_gpt3.planning.pass_sizes import PassSizes

# Each of scores x head_dim numbers, multiplied and added: two in the forward
# pass; scores again, and four gradients, in the backward pass.
_FORWARD_PRODUCTS = 2
_BACKWARD_PRODUCTS = 5


def recomputation_share(config, rematerialization, length=None):
    """Estimates how much arithmetic rematerialization adds to a step.

    Args:
        config: dict. The arguments of `GPT3Backbone`.
        rematerialization: string or int. As in `GPT3.compile`.
        length: int. Tokens in a sequence. Defaults to `None`, the config's
            `max_sequence_length`.

    Returns:
        A float: FLOPs of the matrix products that are computed again, over
        those of a step without rematerialization.

    Raises:
        ValueError: If the policy is unknown or a size is missing.

    Example:

    ```python
    from keras_gpt3.planning import recomputation_share
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_175b_en")["backbone"]
    recomputation_share(config, "block")  # 0.33
    ```
    """
    sizes = PassSizes.of(config, "float32", 1, length, rematerialization)
    forward = [forward_flops(sizes, window) for window in sizes.windows]
    again = sum(
        flops
        for flops, recomputed in zip(forward, sizes.recomputed, strict=True)
        if recomputed
    )
    backward = sum(backward_flops(sizes, window) for window in sizes.windows)
    head = 3 * 2 * sizes.tokens * sizes.table_weights
    return again / (sum(forward) + backward + head)


def forward_flops(sizes, window):
    """FLOPs of a block's products forward; a multiply-add is two."""
    return _projections(sizes) + _FORWARD_PRODUCTS * _attention(sizes, window)


def backward_flops(sizes, window):
    """FLOPs of a block's products backward, without rematerialization."""
    attention = _BACKWARD_PRODUCTS * _attention(sizes, window)
    return 2 * _projections(sizes) + attention


def _projections(sizes):
    return 2 * sizes.tokens * sizes.kernel_weights


def _attention(sizes, window):
    """One product of scores; all heads together have `width` numbers."""
    return 2 * sizes.rows * num_scores(sizes.length, window) * sizes.width
