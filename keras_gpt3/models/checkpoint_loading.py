"""From a folder in Hugging Face's layout to a backbone."""

import logging

import keras

from keras_gpt3.converters.checkpoint_families import family_of
from keras_gpt3.converters.checkpoint_folder import read_config_json
from keras_gpt3.converters.name_match import match_names
from keras_gpt3.converters.weight_files import open_weights
from keras_gpt3.echoed_value import echoed
from keras_gpt3.layers.normal_initializer import stored_weights_follow
from keras_gpt3.models.stored_shapes import check_stored_shapes
from keras_gpt3.models.weight_of_path import variable_of_path
from keras_gpt3.models.weight_streaming import check_tied
from keras_gpt3.models.weight_streaming import stream_weight
from keras_gpt3.planning.preflight import check_fits

_logger = logging.getLogger("keras_gpt3")


def load_checkpoint(cls, folder, load_weights, overrides):
    """Builds the backbone that a checkpoint holds.

    The weights go from the files into the variables a piece at a time, so
    that the most memory is little more than the model's own.
    """
    config = read_config_json(folder)
    family = family_of(config)
    stored = family.backbone_arguments(config)
    has_weights = load_weights is not False
    if has_weights:
        check_stored_shapes(stored, overrides)
    arguments = stored | overrides
    dtype = keras.dtype_policies.get(
        arguments.get("dtype") or keras.config.dtype_policy()
    )
    check_fits(arguments, str(folder), dtype)
    if not has_weights:
        _logger.warning(
            "No weights of %s are loaded; it is initialized as GPT-3.", folder
        )
        return cls(**arguments)
    return _build_and_fill(cls, arguments, dtype, family, open_weights(folder))


def _build_and_fill(cls, arguments, dtype, family, weights):
    """A backbone with the weights of some opened files."""
    if dtype.quantization_mode:
        raise ValueError(
            "A checkpoint must be loaded in a floating-point type. Received: "
            f"dtype={echoed(dtype.name)}. Load it without, and call quantize."
        )
    match = match_names(family, arguments, weights.shapes)
    if match.tied_head is not None:
        check_tied(weights, match.tied_head, match.token_embedding)
    with stored_weights_follow():
        backbone = cls(**arguments)
    for rule in match.rules:
        stream_weight(variable_of_path(backbone, rule.ours), rule, weights)
    return backbone
