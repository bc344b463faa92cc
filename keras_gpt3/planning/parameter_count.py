"""Parameters of a GPT-3 by part, in closed form."""

import numbers

COUNTED_KEYS = (
    "vocabulary_size",
    "num_layers",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
)


def count_parameters(config):
    """Counts the parameters of a backbone without building it.

    The architecture is that of section 2.1: learned positions, biases
    everywhere, two layer norms a layer and one at the end. The output head
    is the token embedding, so it adds nothing.

    Args:
        config: dict. The arguments of `GPT3Backbone`; others than the sizes
            (dropout, the attention pattern, heads) change no count.

    Returns:
        A dict from part to int: `token_embedding`, `position_embedding`,
        `attention`, `feed_forward` and `layer_norms`, over all layers.

    Raises:
        ValueError: If a size is missing or is not a positive integer.

    Example:

    ```python
    from keras_gpt3.planning import count_parameters
    from keras_gpt3.preset_loader import load_shipped_preset

    preset = load_shipped_preset("gpt3_175b_en")
    sum(count_parameters(preset["backbone"]).values())  # 174604259328
    ```
    """
    vocabulary, layers, width, inner, context = (
        _size(config, key) for key in COUNTED_KEYS
    )
    attention = (width * 3 * width + 3 * width) + (width * width + width)
    feed_forward = (width * inner + inner) + (inner * width + width)
    return {
        "token_embedding": vocabulary * width,
        "position_embedding": context * width,
        "attention": layers * attention,
        "feed_forward": layers * feed_forward,
        "layer_norms": layers * 2 * 2 * width + 2 * width,
    }


def _size(config, key):
    value = config.get(key)
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(
            f"{key} must be a positive integer. Received: {key}={value!r}. "
            f"Give the config all of {', '.join(COUNTED_KEYS)}."
        )
    # NumPy's integers would overflow at the largest sizes.
    return int(value)
