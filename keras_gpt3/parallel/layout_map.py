"""A layout map for GPT-3, in the manner of keras-hub's backbones."""

import keras

from keras_gpt3.backend_check import require_backend
from keras_gpt3.echoed_value import echoed
from keras_gpt3.parallel.layout_rules import DATA
from keras_gpt3.parallel.layout_rules import LAYOUT_RULES
from keras_gpt3.parallel.layout_rules import MODEL


class GPT3LayoutMap(keras.distribution.LayoutMap):
    """A `keras.distribution.LayoutMap` that knows of the optimizer, too."""

    optimizer_layouts = None


def make_layout_map(
    device_mesh,
    data_parallel_dim_name,
    model_parallel_dim_name,
    shard_optimizer=False,
    shard_weights=False,
):
    """Makes the layout map of a mesh; see `GPT3Backbone.get_layout_map`."""
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
    """Raises where `keras.distribution` distributes nothing."""
    # Others distribute nothing, in silence.
    require_backend(
        "jax",
        "keras.distribution",
        "Set KERAS_BACKEND=jax, or use compile(pipeline_stages=...) and "
        "keras_gpt3.parallel.mirrored_strategy.",
    )


def _with_layouts(layout_map, names, over_data):
    """Enters the rules into a map, with or without the data axis."""
    names = names if over_data else {MODEL: names[MODEL]}
    for path, kinds in LAYOUT_RULES.items():
        layout_map[path] = tuple(names.get(kind) for kind in kinds)
    return layout_map
