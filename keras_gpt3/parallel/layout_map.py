"""A layout map for GPT-3, in the manner of keras-hub's backbones."""

import math

import keras

from keras_gpt3.argument_checks import echoed
from keras_gpt3.backend_check import require_backend
from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.parallel.layout_rules import DATA
from keras_gpt3.parallel.layout_rules import LAYOUT_RULES
from keras_gpt3.parallel.layout_rules import MODEL
from keras_gpt3.parallel.layout_rules import axis_parts
from keras_gpt3.parallel.layout_rules import layout_map
from keras_gpt3.parallel.layout_rules import padded_rows


class GPT3LayoutMap(keras.distribution.LayoutMap):
    """A `keras.distribution.LayoutMap` that also knows of the optimizer."""

    optimizer_layouts = None


def make_layout_map(
    device_mesh,
    data_parallel_dim_name,
    model_parallel_dim_name,
    shard_optimizer=False,
    shard_weights=False,
):
    """Make the layout map of a mesh; see `GPT3Backbone.get_layout_map`."""
    check_backend_distributes()
    if not isinstance(device_mesh, keras.distribution.DeviceMesh):
        raise ValueError(
            "device_mesh must be a keras.distribution.DeviceMesh. Received: "
            f"device_mesh={echoed(device_mesh)}. Make one of a shape, names of "
            "its axes and keras.distribution.list_devices()."
        )
    names = {DATA: data_parallel_dim_name, MODEL: model_parallel_dim_name}
    for kind, name in names.items():
        if name not in device_mesh.axis_names:
            raise ValueError(
                f"{kind}_parallel_dim_name must be an axis of the mesh. "
                f"Received: {kind}_parallel_dim_name={echoed(name)}, "
                f"axis_names={list(device_mesh.axis_names)}. Name one of them."
            )
    if data_parallel_dim_name == model_parallel_dim_name:
        raise ValueError(
            "data_parallel_dim_name and model_parallel_dim_name must be two "
            "axes of the mesh. Received: data_parallel_dim_name="
            f"{echoed(data_parallel_dim_name)}, model_parallel_dim_name="
            f"{echoed(model_parallel_dim_name)}. Give the mesh a second axis, "
            "of size 1 if need be."
        )
    layout_map = _with_layouts(GPT3LayoutMap(device_mesh), names, shard_weights)
    if shard_optimizer and not shard_weights:
        layout_map.optimizer_layouts = _with_layouts(
            keras.distribution.LayoutMap(device_mesh), names, over_data=True
        )
    return layout_map


def check_backend_distributes():
    """Raise where `keras.distribution` distributes nothing."""
    # Others distribute nothing, in silence.
    require_backend(
        "jax",
        "keras.distribution",
        "Set KERAS_BACKEND=jax, or use compile(pipeline_stages=...) and "
        "keras_gpt3.parallel.mirrored_strategy.",
    )


def _with_layouts(layout_map, names, over_data):
    """Enter the rules into a map, with or without the data axis."""
    names = names if over_data else {MODEL: names[MODEL]}
    for path, kinds in LAYOUT_RULES.items():
        layout_map[path] = tuple(names.get(kind) for kind in kinds)
    return layout_map


_TABLE = "token_embedding/embeddings"
_KERNEL = "decoder_block_0/query_key_value/kernel"


def distributed_rows(config):
    """Check the distribution that is set; the rows of the token embedding."""
    if keras.distribution.distribution() is None:
        return config["vocabulary_size"]
    check_backend_distributes()
    layouts = layout_map()
    if layouts is None:  # Data parallelism alone.
        return config["vocabulary_size"]
    _check_heads(config, axis_parts(layouts, _KERNEL)[1])
    parts = axis_parts(layouts, _TABLE)[0]
    rows = padded_rows(config["vocabulary_size"], parts)
    width = config["embedding_dim"] or config["hidden_dim"]
    shapes = weight_shapes(config) | {_TABLE: (rows, width)}
    _check_knows_some(layouts, shapes)
    more = getattr(layouts, "optimizer_layouts", None)
    for path, shape in shapes.items():
        for each in filter(None, (layouts, more)):
            _check_shape(path, shape, axis_parts(each, path))
    return rows


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
