"""`describe`: a preset's figures, without allocating a single weight."""

import os
import pathlib
from collections.abc import Mapping

from keras_gpt3.echoed_value import echoed
from keras_gpt3.planning.model_description import ModelDescription
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.preset_loader import BACKBONE_KEYS
from keras_gpt3.preset_loader import SWITCHES
from keras_gpt3.preset_loader import is_shipped
from keras_gpt3.preset_loader import load_shipped_preset

_REGISTERED_NAME = "keras_gpt3>GPT3Backbone"

# What `get_config` adds to the architecture.
_LAYER_KEYS = ("name", "trainable", "dtype")


def describe(preset):
    """Counts parameters and memory of a GPT-3 without allocating them.

    Args:
        preset: string, `pathlib.Path`, dict or model. A shipped preset, a
            folder written by `save_to_preset`, a GPT-2, GPT-Neo or OPT in
            Hugging Face's layout, the arguments of `GPT3Backbone`, or a `GPT3`
            or `GPT3Backbone`.

    Returns:
        A `ModelDescription`, with `num_parameters`, `parameters` by part and
        `memory(dtype, optimizer)`; printing it shows them as tables.

    Raises:
        ValueError: If there is no such preset, or if a config lacks a size or
            holds a key that `GPT3Backbone` does not have.

    Example:

    ```python
    import keras_gpt3

    keras_gpt3.describe("gpt3_175b_en").num_parameters  # 174604259328
    ```
    """
    if isinstance(preset, Mapping):
        return _from_config(preset.get("name") or "GPT3Backbone", preset)
    if hasattr(preset, "get_config"):
        backbone = getattr(preset, "backbone", preset)
        return _from_config(preset.name, backbone.get_config())
    if not is_shipped(preset) and _is_folder(preset):
        return _from_config(str(preset), _read_folder(pathlib.Path(preset)))
    if str(preset).startswith("hf://"):
        raise ValueError(
            "preset must be on this machine to be described. "
            f"Received: preset={echoed(preset)}. "
            "Load it with GPT3.from_preset and describe the model."
        )
    return _from_shipped(load_shipped_preset(preset))


def _from_shipped(preset):
    return ModelDescription(
        name=preset["name"],
        config=preset["backbone"],
        parameters=count_parameters(preset["backbone"]),
        summary=preset["description"],
        printed=preset["printed"],
        resolution=preset["resolution"],
        recipe=preset["recipe"],
        table_d1=preset["table_d1"],
    )


def _from_config(name, config):
    known = (*BACKBONE_KEYS, *SWITCHES)
    unknown = [k for k in config if k not in (*known, *_LAYER_KEYS)]
    if unknown:
        # It might change the count, so guessing would be wrong.
        raise ValueError(
            "config must hold arguments of GPT3Backbone only. "
            f"Received: unknown={unknown}. Use {', '.join(known)}."
        )
    architecture = {k: config[k] for k in BACKBONE_KEYS if k in config}
    # Only what is not as in GPT-3.
    architecture |= {
        k: config[k]
        for k, usual in SWITCHES.items()
        if config.get(k, usual) != usual
    }
    return ModelDescription(
        name=name,
        config=architecture,
        parameters=count_parameters(architecture),
    )


def _is_folder(preset):
    # A number would be taken for a file descriptor.
    return isinstance(preset, (str, os.PathLike)) and os.path.isdir(preset)


def _read_folder(folder):
    """The backbone's arguments that a preset's or checkpoint's folder holds."""
    # Imported here: shipped presets are described without them.
    from keras_gpt3.converters.checkpoint_families import family_of
    from keras_gpt3.converters.checkpoint_folder import is_checkpoint_folder
    from keras_gpt3.converters.checkpoint_folder import read_config_json

    try:
        content = read_config_json(folder)
    except FileNotFoundError:
        content = {}
    if is_checkpoint_folder(folder):
        return family_of(content).backbone_arguments(content)
    registered = content.get("registered_name")
    if registered != _REGISTERED_NAME:
        raise ValueError(
            f"preset must be a folder whose config.json is of a "
            f"{_REGISTERED_NAME}. Received: preset={echoed(str(folder))}, "
            f"registered_name={echoed(registered)}. "
            "Write one with model.save_to_preset(folder)."
        )
    return content["config"]
