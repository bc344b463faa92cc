"""The layers of a backbone."""

import types

import keras

from keras_gpt3.layers.decoder_block import DecoderBlock
from keras_gpt3.layers.layer_norm import LayerNorm
from keras_gpt3.layers.layer_policy import layer_policy
from keras_gpt3.layers.normal_initializer import normal_initializer
from keras_gpt3.layers.padded_embedding import PaddedEmbedding
from keras_gpt3.layers.position_embedding import PositionEmbedding
from keras_gpt3.layers.reversible_embedding import ReversibleEmbedding
from keras_gpt3.ops import initial_deviations
from keras_gpt3.parallel.layout_check import distributed_rows


def make_layers(config, dtype):
    """Makes the layers of a backbone, which build when they are first
    called.
    """
    return types.SimpleNamespace(
        token_embedding=_token_embedding(config, dtype),
        embedding_projection=_projection(
            config, "embedding_projection", config["hidden_dim"], dtype
        ),
        position_embedding=PositionEmbedding(
            config["max_sequence_length"],
            config["hidden_dim"],
            initializer=normal_initializer(
                initial_deviations.POSITION_EMBEDDING
            ),
            offset=config["position_offset"],
            skip_padding=config["skip_padding_positions"],
            dtype=dtype,
            name="position_embedding",
        ),
        embedding_dropout=keras.layers.Dropout(
            config["dropout"], dtype=dtype, name="embedding_dropout"
        ),
        decoder_blocks=[
            _block(config, i, dtype) for i in range(config["num_layers"])
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
            initial_deviations.TOKEN_EMBEDDING
        ),
        "dtype": layer_policy(dtype, "token_embedding"),
        "name": "token_embedding",
    }
    rows = distributed_rows(config)
    if rows > config["vocabulary_size"]:
        return PaddedEmbedding(**arguments, num_rows=rows)
    return ReversibleEmbedding(**arguments)


def _block(config, index, dtype):
    pattern = config["attention_pattern"]
    taken_over = (
        "num_heads",
        "intermediate_dim",
        "attention_window",
        "activation",
        "layer_norm_epsilon",
        "dropout",
        "use_bias",
        "query_key_value_bias",
        "norm_first",
        "layer_norm_affine",
    )
    return DecoderBlock(
        attention=pattern[index % len(pattern)],
        residual_deviation=initial_deviations.residual_kernel(
            config["num_layers"]
        ),
        attention_scale=_attention_scale(config, index),
        dtype=dtype,
        name=f"decoder_block_{index}",
        **{name: config[name] for name in taken_over},
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
    return keras.layers.Dense(
        units,
        use_bias=False,
        kernel_initializer=normal_initializer(initial_deviations.KERNEL),
        dtype=layer_policy(dtype, name),
        name=name,
    )
