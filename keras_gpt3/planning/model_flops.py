"""The arithmetic that a model needs for a token, for its utilisation."""

from keras_gpt3.planning.attention_blocks import attention_windows
from keras_gpt3.planning.pass_sizes import PassSizes


def model_flops_per_token(config, length=None):
    """Computes the FLOPs of training on one token.

    What the model needs, not what a step does: scores that no query sees and
    what rematerialization computes again do not count (as in PaLM's appendix
    B, but with the visible keys alone). Each weight of a product counts 6
    times: a multiplication and an addition, forward and twice backward.

    Args:
        config: dict. The arguments of `GPT3Backbone`.
        length: int. Tokens in a sequence. Defaults to `None`, the config's
            `max_sequence_length`.

    Returns:
        A float.

    Raises:
        ValueError: If a size is missing or wrong.

    Example:

    ```python
    from keras_gpt3.planning.model_flops import model_flops_per_token
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_small_en")["backbone"]
    model_flops_per_token(config)  # 8.0e8
    ```
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
