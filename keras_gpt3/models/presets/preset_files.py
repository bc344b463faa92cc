"""The files of a preset's folder: plain, readable, and all there."""

import contextlib
import logging
import pathlib

import keras
from keras import ops

from keras_gpt3 import preset_loader
from keras_gpt3.argument_checks import echoed
from keras_gpt3.converters.hub_snapshot import meant_handle
from keras_gpt3.converters.sharded_index import CHECKPOINT_FILES
from keras_gpt3.converters.sharded_index import KERAS_FILES
from keras_gpt3.converters.sharded_index import read_config_json
from keras_gpt3.converters.sharded_index import read_json
from keras_gpt3.converters.sharded_index import shard_names
from keras_gpt3.regular_file import check_folder_files

_logger = logging.getLogger("keras_gpt3")

# keras-hub makes an object of each.
_CONFIGS = ("config.json", "preprocessor.json", "tokenizer.json", "task.json")
_WEIGHTS, _INDEX = "model.weights.h5", "model.weights.json"
# `save_to_preset` writes one of these beside the weights, always.
_SAVED_WITH_WEIGHTS = ("metadata.json", "task.json", _INDEX)
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_MOST_SHOWN = 200


def check_plain_files(folder):
    """Raise at a device, a pipe, or a link out of a preset's folder."""
    check_folder_files(folder, {*KERAS_FILES, *CHECKPOINT_FILES})


def check_configs(folder):
    """Raise unless the configs of a folder in Keras' format can be objects."""
    for path in (pathlib.Path(folder, name) for name in _CONFIGS):
        if not path.is_file():
            continue
        try:
            content = read_json(path)
        except ValueError as error:
            raise damaged_preset(folder, f"{path.name}: {error}") from error
        fields = content if isinstance(content, dict) else {}
        name, config = fields.get("registered_name"), fields.get("config", {})
        if not isinstance(name, str) or not isinstance(config, dict):
            raise damaged_preset(
                folder, f"{path.name} names no class and its config"
            )


def has_weights(folder, load_weights):
    """Whether a folder in Keras' format has weights to load."""
    if load_weights is False:
        return False
    folder = pathlib.Path(folder)
    names = [_WEIGHTS]
    if not (folder / _WEIGHTS).exists() and (folder / _INDEX).exists():
        names = shard_names(folder / _INDEX)
    missing = [name for name in names if not (folder / name).exists()]
    saved = any((folder / name).exists() for name in _SAVED_WITH_WEIGHTS)
    if missing and (load_weights or saved):
        raise FileNotFoundError(
            "A preset that was saved with weights must hold them. Received: "
            f"preset='{folder}' without {missing[0]}. Copy the whole folder "
            "that save_to_preset wrote, or pass load_weights=False for new "
            "weights."
        )
    if missing:
        _logger.warning(
            "%s has no weights; it is initialized as the paper says.", folder
        )
        return False
    for name in names:
        check_arrays(folder, name)
    return True


def check_arrays(folder, name):
    """Raise unless a file of Keras' weights holds what it states."""
    import h5py

    path = folder / name
    try:
        with h5py.File(path, "r") as file:
            stated = sum(array.nbytes for array in hdf5_arrays(file).values())
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise damaged_preset(folder, f"{name}: {error}") from error
    # Keras compresses nothing. What is left out, HDF5 would fill up.
    if stated > path.stat().st_size:
        raise damaged_preset(
            folder, f"{name}: arrays of {stated} bytes, most absent"
        )


@contextlib.contextmanager
def damage_named(preset):
    """Make what Keras meets in the files of a preset one line."""
    try:
        yield
    except ValueError as error:
        if "\n" not in str(error):
            raise
        raise damaged_preset(preset, error) from error
    except (
        AttributeError,
        IndexError,
        KeyError,
        RecursionError,
        TypeError,
    ) as error:
        raise damaged_preset(preset, repr(error)) from error


def check_finite(backbone, preset):
    """Raise at NaN or infinity in weights that were loaded."""
    for variable in backbone.weights:
        if keras.backend.standardize_dtype(variable.dtype) not in _FLOATS:
            continue  # Those of a quantized layer are integers.
        if not bool(ops.all(ops.isfinite(variable))):
            raise ValueError(
                "Weights must be finite numbers. Received: preset="
                f"'{preset}' with NaN or infinity in {variable.path}. Use "
                "weights from before their training failed."
            )


def damaged_preset(preset, reason):
    """The error for a preset whose files were changed or cut."""
    first_line = " ".join(str(reason).split("\n")[0].split())[:_MOST_SHOWN]
    return ValueError(
        "The files of a preset must be as save_to_preset wrote them. Received: "
        f"preset='{preset}' ({first_line}). Copy the whole folder again."
    )


# keras-hub loads all but the first. It would take more for a file's address,
# and try to download it.
_SCHEMES = ("hf", "kaggle", "gs", "modelscope")
# What Keras saves models and weights to.
_MODEL_FILES = (".keras", ".h5")


def check_preset(preset):
    """Raise unless a preset is shipped, a handle, or a saved folder."""
    if "://" in preset or preset_loader.is_shipped(preset):
        return
    config = pathlib.Path(preset) / "config.json"
    if not config.exists():
        if pathlib.Path(preset).is_dir():
            raise ValueError(
                "A preset folder must hold a config.json. Received: "
                f"preset={echoed(preset)}. Pass a folder that save_to_preset "
                "wrote."
            )
        if pathlib.Path(preset).is_file() or preset.endswith(_MODEL_FILES):
            raise ValueError(
                "preset must be a folder, or a name, and no file. Received: "
                f"preset={echoed(preset)}. Load the file with "
                "keras.saving.load_model, and write a folder with "
                "model.save_to_preset."
            )
        if "/" in preset or "\\" in preset:
            handle = meant_handle(preset)
            hint = f"{handle} for a model of the hub, " if handle else ""
            raise ValueError(
                "A preset folder must exist. Received: "
                f"preset={echoed(preset)}. Pass {hint}a folder that "
                "save_to_preset wrote, or a name of keras_gpt3.GPT3.presets."
            )
        preset_loader.load_shipped_preset(preset)  # Raises, with the names.
    content = read_config_json(preset)
    if not {"registered_name", "model_type"}.intersection(content):
        raise foreign_format(preset)
    if "registered_name" in content:
        check_configs(preset)


def foreign_format(preset):
    """Make the error for a preset of another library."""
    return ValueError(
        "preset must be in Keras' or Hugging Face's format, with a "
        "registered_name or a model_type in its config.json. Received: "
        f"preset={echoed(preset)}. Pass a folder that save_to_preset or "
        "save_pretrained wrote."
    )


def check_scheme(preset):
    """Raise at an address that is not a handle, and say which was meant."""
    scheme, mark, rest = preset.partition("://")
    if not mark or scheme in _SCHEMES:
        return
    remedy = "Pass hf://org/name for a model of Hugging Face's hub"
    if scheme.lower() in _SCHEMES:
        remedy = f"Pass {scheme.lower()}://{rest}"
    elif meant_handle(preset):
        remedy = f"Pass {meant_handle(preset)}"
    elif scheme.lower() == "file":
        remedy = "Pass the folder's path alone"
    known = ", ".join(f"{name}://" for name in _SCHEMES)
    raise ValueError(
        f"A handle must begin with one of {known}. Received: preset="
        f"{echoed(preset)}. {remedy}."
    )


# The arrays of an HDF5 file that comes from elsewhere, before they are read.
#
# HDF5 can keep an array in any other file of the machine, whose bytes a saved
# model would carry out, and lead from a group back into itself.


def hdf5_arrays(file):
    """List the arrays of a file, unread."""
    import h5py

    found, groups, seen = {}, [("", file)], set()
    while groups:
        path, group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            raise ValueError(f"a group within itself, {path}")
        seen.add(address)
        for name in group:
            where = f"{path}/{name}" if path else name
            # Other links name a file, or lead in circles.
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"a link, {where}")
            item = group[name]
            if isinstance(item, h5py.Group):
                groups.append((where, item))
            elif item.external or item.is_virtual:
                raise ValueError(f"data of another file, {where}")
            else:
                found[where] = item
    return dict(sorted(found.items()))
