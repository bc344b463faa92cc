"""The arithmetic that a model needs for a token, for its utilisation."""

from keras_gpt3.planning.attention_blocks import attention_windows
from keras_gpt3.planning.pass_sizes import PassSizes


def model_flops_per_token(config, length=None):
    """Computes the FLOPs of training on one token.

    What the model needs, not what a step does: scores that no query sees and
    what rematerialization computes again do not count (as in PaLM's appendix
    B, but with the visible keys alone). Each weight of a product counts 6
    times: a multiplication and an addition, forward and twice backward.
    """
    sizes = PassSizes.of(config, "float32", 1, length)
    weights = config["num_layers"] * sizes.kernel_weights + sizes.table_weights
    length = sizes.tokens
    visible = sum(
        _mean_visible(length, window) for window in attention_windows(config)
    )
    # Scores and weighted values, of all heads together.
    attention = 2 * config["hidden_dim"] * visible
    return 6.0 * (weights + attention)


def _mean_visible(length, window):
    """How many keys a query sees, on average over the positions."""
    window = length if window is None else min(window, length)
    full = length - window
    return (window * (window + 1) / 2 + full * window) / length
