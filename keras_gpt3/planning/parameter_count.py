"""Parameters of a GPT-3 by part, without building it."""

import functools
import math
import numbers
import re

from keras_gpt3.argument_checks import echoed
from keras_gpt3.converters.weight_shapes import SHAPE_KEYS
from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.preset_loader import BACKBONE_KEYS
from keras_gpt3.preset_loader import VARIANT_DEFAULTS
from keras_gpt3.preset_loader import load_shipped_preset

# Those that no config may leave out; heads change no shape.
_SIZES = tuple(key for key in BACKBONE_KEYS if key in SHAPE_KEYS)
_BLOCK = "decoder_block_0/"
# Part -> the weights that are counted there, by their paths.
_PARTS = {
    "token_embedding": "token_embedding/",
    "position_embedding": "position_embedding/",
    "attention": _BLOCK + "(query_key_value|attention_output)/",
    "feed_forward": _BLOCK + "feed_forward_(intermediate|output)/",
    "layer_norms": f"({_BLOCK})?(attention|feed_forward|final)_norm/",
    "embedding_projections": "(embedding|output)_projection/",
}


@functools.cache
def _defaults():
    """GPT-3 Small's arguments, which are those of `GPT3Backbone`."""
    return load_shipped_preset("gpt3_small_en")["backbone"] | VARIANT_DEFAULTS


def complete_config(config):
    """Fill in what a config leaves out; raise unless its sizes are there."""
    sizes = {key: _size(config, key) for key in _SIZES}
    return _defaults() | config | sizes


def shapes_of_one_block(config):
    """The shapes of all weights, of but one block: each is like another."""
    return weight_shapes(complete_config(config) | {"num_layers": 1})


def count_parameters(config):
    """Count the parameters of a backbone without building it.

    The architecture is that of section 2.1: learned positions, biases
    everywhere, two layer norms a layer and one at the end, unless `config`
    says otherwise. The output head is the token embedding, so it adds nothing.

    Args:
        config: dict. The arguments of `GPT3Backbone`; those that change no
            shape (dropout, the attention pattern, heads) and switches may be
            left out.

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
    # Also those parts of which there is nothing, but for projections.
    counts = dict.fromkeys(list(_PARTS)[:-1], 0)
    for path, shape in shapes_of_one_block(config).items():
        part = next(p for p, paths in _PARTS.items() if re.match(paths, path))
        blocks = int(config["num_layers"]) if path.startswith(_BLOCK) else 1
        counts[part] = counts.get(part, 0) + blocks * math.prod(shape)
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
