"""Whether a backbone can be split as `keras.distribution` is told to."""

import math

import keras

from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.echoed_value import echoed
from keras_gpt3.parallel.current_layouts import axis_parts
from keras_gpt3.parallel.current_layouts import layout_map
from keras_gpt3.parallel.layout_map import check_backend_distributes
from keras_gpt3.parallel.layout_rules import padded_rows

_TABLE = "token_embedding/embeddings"
_KERNEL = "decoder_block_0/query_key_value/kernel"


def distributed_rows(config):
    """Checks the distribution that is set; the rows of the token embedding."""
    if keras.distribution.distribution() is None:
        return config["vocabulary_size"]
    check_backend_distributes()
    layouts = layout_map()
    if layouts is None:  # Data parallelism alone.
        return config["vocabulary_size"]
    _check_heads(config, axis_parts(layouts, _KERNEL)[1])
    parts = axis_parts(layouts, _TABLE)[0]
    rows = padded_rows(config["vocabulary_size"], parts)
    shapes = weight_shapes(config) | {_TABLE: (rows, _table_width(config))}
    _check_knows_some(layouts, shapes)
    more = getattr(layouts, "optimizer_layouts", None)
    for path, shape in shapes.items():
        for each in filter(None, (layouts, more)):
            _check_shape(path, shape, axis_parts(each, path))
    return rows


def _table_width(config):
    return config["embedding_dim"] or config["hidden_dim"]


def _check_knows_some(layouts, paths):
    """Keras would leave all weights whole, in silence."""
    if not any(layouts[path] for path in paths):
        raise ValueError(
            "A layout map must have a layout for some of the weights. "
            f"Received: layout_map={list(layouts)}. Use "
            "GPT3Backbone.get_layout_map, or patterns that match all of a "
            f"path such as {_KERNEL}."
        )


def _check_heads(config, size):
    heads, inner = config["num_heads"], config["intermediate_dim"]
    if heads % size or inner % size:
        common = math.gcd(heads, inner)
        works = [n for n in range(1, common + 1) if common % n == 0]
        raise ValueError(
            "The model axis of the mesh must divide num_heads and "
            f"intermediate_dim. Received: model_axis={size}, num_heads="
            f"{heads}, intermediate_dim={inner}. Use one of {works}."
        )


def _check_shape(path, shape, parts):
    for size, number in zip(shape, parts, strict=False):
        if size % number:
            raise ValueError(
                "An axis of the mesh must divide the weights that it splits. "
                f"Received: path={echoed(path)}, shape={tuple(shape)}, parts="
                f"{parts}. Use another mesh, or leave out shard_weights and "
                "shard_optimizer."
            )
