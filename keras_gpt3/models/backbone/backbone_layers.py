"""The layers of a backbone."""

import numbers
import types

import keras

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.converters.weight_shapes import SHAPE_KEYS
from keras_gpt3.layers import initializers
from keras_gpt3.layers.block_pattern import ATTENTION_KINDS
from keras_gpt3.layers.block_pattern import attention_kinds
from keras_gpt3.layers.block_pattern import check_heads
from keras_gpt3.layers.decoder_block import DecoderBlock
from keras_gpt3.layers.embeddings import PaddedEmbedding
from keras_gpt3.layers.embeddings import PositionEmbedding
from keras_gpt3.layers.embeddings import ReversibleEmbedding
from keras_gpt3.layers.initializers import normal_initializer
from keras_gpt3.layers.layer_norm import LayerNorm
from keras_gpt3.layers.quantized_layers import Dense
from keras_gpt3.layers.quantized_layers import quantized_as
from keras_gpt3.parallel.layout_map import distributed_rows
from keras_gpt3.preset_loader import BACKBONE_KEYS
from keras_gpt3.preset_loader import VARIANT_DEFAULTS


def make_layers(config, dtype):
    """Make the layers of a backbone, which build when first called."""
    return types.SimpleNamespace(
        token_embedding=_token_embedding(config, dtype),
        embedding_projection=_projection(
            config, "embedding_projection", config["hidden_dim"], dtype
        ),
        position_embedding=PositionEmbedding(
            config["max_sequence_length"],
            config["hidden_dim"],
            initializer=normal_initializer(initializers.POSITION_EMBEDDING),
            offset=config["position_offset"],
            skip_padding=config["skip_padding_positions"],
            dtype=dtype,
            name="position_embedding",
        ),
        embedding_dropout=keras.layers.Dropout(
            config["dropout"], dtype=dtype, name="embedding_dropout"
        ),
        decoder_blocks=[
            _block(config, index, attention, dtype)
            for index, attention in enumerate(attention_kinds(config))
        ],
        final_norm=_final_norm(config, dtype),
        output_projection=_projection(
            config, "output_projection", config["embedding_dim"], dtype
        ),
    )


def _token_embedding(config, dtype):
    arguments = {
        "input_dim": config["vocabulary_size"],
        "output_dim": config["embedding_dim"] or config["hidden_dim"],
        "embeddings_initializer": normal_initializer(
            initializers.TOKEN_EMBEDDING
        ),
        "name": "token_embedding",
    }
    rows = distributed_rows(config)
    quantized = quantized_as(dtype, "token_embedding")
    if rows > config["vocabulary_size"]:
        return PaddedEmbedding(
            **arguments, num_rows=rows, dtype=quantized["dtype"]
        )
    return ReversibleEmbedding(**arguments, **quantized)


def _block(config, index, attention, dtype):
    # What both call by one name, a block takes over as it is.
    names = [name for name in DecoderBlock.arguments() if name in config]
    arguments = {name: config[name] for name in names}
    arguments |= {"attention_scale": _attention_scale(config, index)}
    return DecoderBlock(
        attention=attention,
        residual_deviation=initializers.residual_kernel(config["num_layers"]),
        dtype=dtype,
        name=f"decoder_block_{index}",
        **arguments,
    )


def _attention_scale(config, index):
    """The factor on the scores of a block; `None` for the usual one."""
    scale = config["attention_scale"]
    if not config["scale_by_inverse_layer_index"]:
        return scale
    if scale is None:
        scale = (config["hidden_dim"] // config["num_heads"]) ** -0.5
    return scale / (index + 1)


def _final_norm(config, dtype):
    if not config["use_final_norm"]:
        return None
    return LayerNorm(
        epsilon=config["layer_norm_epsilon"],
        scale=config["layer_norm_affine"],
        center=config["layer_norm_affine"],
        dtype=dtype,
        name="final_norm",
    )


def _projection(config, name, units, dtype):
    """From the width of the embedding to that of the model, or back."""
    if config["embedding_dim"] in (None, config["hidden_dim"]):
        return None
    return Dense(
        units,
        use_bias=False,
        kernel_initializer=normal_initializer(initializers.KERNEL),
        name=name,
        **quantized_as(dtype, name),
    )


# Ten times the deepest of GPT-3's, and then some: a config from elsewhere may
# have a million layers that take no memory, and hours to build.
_MOST_LAYERS = 2048


def check_backbone_arguments(config):
    """Raise unless the arguments of a backbone make sense together."""
    sizes = [name for name in BACKBONE_KEYS if name in SHAPE_KEYS]
    for name in (*sizes, "num_heads"):
        check_integer(name, config[name], minimum=1)
    if config["embedding_dim"] is not None:
        check_integer("embedding_dim", config["embedding_dim"], minimum=1)
    if config["num_layers"] > _MOST_LAYERS:
        raise ValueError(
            f"num_layers must be at most {_MOST_LAYERS}. Received: num_layers="
            f"{config['num_layers']}. Use fewer and wider layers."
        )
    _check_range("dropout", config["dropout"])
    _check_range("layer_norm_epsilon", config["layer_norm_epsilon"])
    for name, usual in VARIANT_DEFAULTS.items():
        if isinstance(usual, bool) and config[name] not in (True, False):
            raise ValueError(
                f"{name} must be True or False. Received: {name}="
                f"{config[name]!r:.200}. Use {usual}, as GPT-3."
            )
    if not isinstance(config["activation"], str):
        raise ValueError(
            "activation must be a name. Received: activation="
            f"{config['activation']!r:.200}. Use 'gelu_approximate', as GPT-3."
        )
    check_heads(config["hidden_dim"], config["num_heads"])
    _check_pattern(config["attention_pattern"])
    scale = config["attention_scale"]
    if scale is not None and not (_is_number(scale) and scale > 0):
        raise ValueError(
            "attention_scale must be above 0. Received: attention_scale="
            f"{scale!r:.200}. Use None for 1 / sqrt(head_dim)."
        )
    offset = config["position_offset"]
    # A row is needed for padding.
    least = int(config["skip_padding_positions"])
    check_integer("position_offset", offset, minimum=least)


def _check_range(name, value):
    """Raise unless a number is from 0 to 1, as Keras' layers want it."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError(
            f"{name} must be a number from 0 to 1. Received: {name}="
            f"{value!r:.200}. Use the paper's: dropout=0.0, "
            "layer_norm_epsilon=1e-5."
        )


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _check_pattern(pattern):
    is_sequence = isinstance(pattern, (list, tuple))
    if (
        not is_sequence
        or not pattern
        or not all(kind in ATTENTION_KINDS for kind in pattern)
    ):
        raise ValueError(
            "attention_pattern must be a sequence of "
            f"{ATTENTION_KINDS}. Received: attention_pattern={pattern!r:.200}. "
            "Use ('dense', 'banded') as the paper, or ('dense',) for GPT-2."
        )
