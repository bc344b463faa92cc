"""Parameters of a GPT-3 by part, in closed form."""

import numbers

from keras_gpt3.echoed_value import echoed
from keras_gpt3.preset_loader import SWITCHES

_SIZES = (
    "vocabulary_size",
    "num_layers",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
)
# Whatever changes the shape of a weight.
COUNTED_KEYS = (
    *_SIZES,
    "embedding_dim",
    "use_bias",
    "query_key_value_bias",
    "use_final_norm",
    "layer_norm_affine",
    "position_offset",
)


def count_parameters(config):
    """Counts the parameters of a backbone without building it.

    The architecture is that of section 2.1: learned positions, biases
    everywhere, two layer norms a layer and one at the end, unless `config`
    says otherwise. The output head is the token embedding, so it adds nothing.

    Args:
        config: dict. The arguments of `GPT3Backbone`; others than
            `COUNTED_KEYS` (dropout, the attention pattern, heads) change no
            count. Switches may be left out.

    Returns:
        A dict from part to int: `token_embedding`, `position_embedding`,
        `attention`, `feed_forward` and `layer_norms`, over all layers, and
        with an `embedding_dim` of its own `embedding_projections`.

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
        _size(config, key) for key in _SIZES
    )
    switches = SWITCHES | {k: config[k] for k in SWITCHES if k in config}
    bias = int(switches["use_bias"])
    of_projection = bias * int(switches["query_key_value_bias"])
    attention = 3 * width * (width + of_projection) + width * (width + bias)
    feed_forward = inner * (width + bias) + width * (inner + bias)
    norms = 2 * layers + int(switches["use_final_norm"])
    embedding = switches["embedding_dim"] or width
    counts = {
        "token_embedding": vocabulary * embedding,
        "position_embedding": (context + switches["position_offset"]) * width,
        "attention": layers * attention,
        "feed_forward": layers * feed_forward,
        "layer_norms": norms * 2 * width * int(switches["layer_norm_affine"]),
    }
    if embedding != width:
        counts["embedding_projections"] = 2 * embedding * width
    return counts


def _size(config, key):
    value = config.get(key)
    if not isinstance(value, numbers.Integral) or value < 1:
        remedy = "Pass 1 or more, without quotes."
        if key not in config:
            remedy = f"Give the config all of {', '.join(_SIZES)}."
        raise ValueError(
            f"{key} must be a positive integer. Received: "
            f"{key}={echoed(value)}. {remedy}"
        )
    # NumPy's integers would overflow at the largest sizes.
    return int(value)
