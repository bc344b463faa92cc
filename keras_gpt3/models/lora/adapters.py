"""The low-rank adapters (Hu et al. 2021) of a backbone, and their files.

keras-hub's own files hold no alpha and no names of layers, number the layers
by their place, and know kernels only, not tables.
"""

import json
import os
import pathlib
import sys

import numpy as np

from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import atomic_path
from keras_gpt3.models.presets.preset_files import hdf5_arrays
from keras_gpt3.regular_file import check_regular_file

_SUFFIX = ".lora.h5"
_FORMAT = "keras_gpt3_lora"
_MOST_SHOWN = 200
# Keras calls the parts of an adapter so, on kernels and on tables.
_PARTS = (
    ("lora_kernel_a", "lora_kernel_b"),
    ("lora_embeddings_a", "lora_embeddings_b"),
)


def adaptable_layers(backbone):
    """List the layers that Keras can adapt, each once."""
    return [
        layer
        for layer in backbone._flatten_layers(include_self=False)
        if hasattr(layer, "enable_lora") and layer.weights
    ]


def adapted_layers(backbone):
    """List the layers with adapters.

    `lora_alpha / lora_rank * (a @ b)` is added to their kernels.
    """
    layers = [x for x in adaptable_layers(backbone) if x.lora_enabled]
    return sorted(layers, key=lambda layer: layer.path)


def adapter_names(layer):
    """The attributes of a layer that hold the two parts of its adapter."""
    return next(names for names in _PARTS if hasattr(layer, names[0]))


def adapter_parts(layer):
    """The two variables, of shapes `(in, rank)` and `(rank, out)`."""
    return tuple(getattr(layer, name) for name in adapter_names(layer))


def save_lora_weights(backbone, filepath):
    """Write the adapters of a backbone to a file, whole or not at all.

    It holds rank, alpha, the adapted layers and the two parts of each adapter:
    a small share of the model's own bytes.
    """
    import h5py

    path, layers = pathlib.Path(filepath), adapted_layers(backbone)
    if not path.name.endswith(_SUFFIX):
        raise ValueError(
            f"The name of a file of adapters must end in {_SUFFIX}. Received: "
            f"filepath='{path}'. Rename it."
        )
    if not layers:
        raise ValueError(
            "A backbone must have adapters to save. Received: none. Call "
            "enable_lora first."
        )
    with atomic_path(path) as partial, h5py.File(partial, "w") as file:
        file.attrs[_FORMAT] = json.dumps(
            backbone.lora_settings,
            default=lambda number: number.item(),  # One of numpy's.
        )
        for layer in layers:
            for name, part in zip("ab", adapter_parts(layer), strict=True):
                file[f"{layer.path}/{name}"] = np.asarray(part)


def load_lora_weights(backbone, filepath):
    """Read adapters from a file; a backbone without any gets them first.

    Nothing is changed unless the whole file fits.
    """
    settings, parts = _read(backbone, filepath)
    found = backbone.lora_settings
    if found is None:
        backbone.enable_lora(**settings)
    elif found != settings:
        raise ValueError(
            f"The file's adapters must be those of the model. Received: "
            f"filepath='{filepath}' with {_words(settings)}, a model with "
            f"{_words(found)}. Load them into a model without adapters."
        )
    for layer in adapted_layers(backbone):
        for variable, value in zip(
            adapter_parts(layer), parts[layer.path], strict=True
        ):
            variable.assign(value)


def _words(settings):
    text = ", ".join(f"{name}={value}" for name, value in settings.items())
    return text[:_MOST_SHOWN]


# === Reading ===


def _read(backbone, filepath):
    """The settings of a file, and its pairs of arrays by a layer's path.

    Names, types and shapes are checked before an array is read: a small file
    can state a large one.
    """
    import h5py

    if not os.path.exists(filepath):
        raise FileNotFoundError(
            "A file of adapters must exist. Received: "
            f"filepath='{filepath}'. Correct the path."
        )
    check_regular_file(filepath)
    try:
        with h5py.File(filepath, "r") as file:
            settings = _checked_settings(file.attrs[_FORMAT])
            found = _pairs(file)
            _check_layers(backbone, found, settings, filepath)
            parts = {
                path: tuple(dataset[()] for dataset in pair)
                for path, pair in found.items()
            }
    except _UnfitError as error:
        raise ValueError(str(error)) from None
    # RuntimeError: h5py's, where the bytes of a file end early.
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        first_line = str(error).splitlines()[0][:_MOST_SHOWN]
        raise ValueError(
            "A file of adapters must be whole, and written by "
            f"save_lora_weights. Received: filepath='{filepath}' "
            f"({first_line}). Save the adapters again."
        ) from error
    for path, pair in parts.items():
        for name, array in zip("ab", pair, strict=True):
            _check_finite(array, f"{path}/{name}", filepath)
    return settings, parts


class _UnfitError(Exception):
    """A sound file that is not for this model."""


def _checked_settings(text):
    """What `enable_lora` is to be called with, as a file states it."""
    if not isinstance(text, str):
        raise ValueError(f"its attribute {_FORMAT} is not text")
    settings = json.loads(text)
    names = ["rank", "lora_alpha", "target_layer_names"]
    if not isinstance(settings, dict) or sorted(settings) != sorted(names):
        raise ValueError(f"its attribute {_FORMAT} must hold {names}")
    rank, alpha, targets = map(settings.get, names)
    if type(rank) is not int or rank < 1:
        raise ValueError(
            f"its rank must be an integer of at least 1, not {echoed(rank)}"
        )
    if type(alpha) not in (int, float) or not 0 < alpha <= sys.float_info.max:
        raise ValueError(
            f"its lora_alpha must be a number above 0, not {echoed(alpha)}"
        )
    if not isinstance(targets, list) or {*map(type, targets)} != {str}:
        raise ValueError(
            "its target_layer_names must be a list of names, not "
            f"{echoed(targets)}"
        )
    return settings


def _pairs(file):
    """The two datasets of each adapter, unread, by a layer's path."""
    found = {}
    for where, dataset in hdf5_arrays(file).items():
        if dataset.dtype.kind != "f":
            raise ValueError(f"{where} of type {dataset.dtype}")
        path, _, part = where.rpartition("/")
        found.setdefault(path, {})[part] = dataset
    return {path: (pair["a"], pair["b"]) for path, pair in found.items()}


def _check_layers(backbone, pairs, settings, filepath):
    """Raise unless the file's adapters fit layers of the backbone."""
    rank, targets = settings["rank"], set(settings["target_layer_names"])
    layers = adaptable_layers(backbone)
    if not targets.issubset(layer.name for layer in layers):
        raise ValueError("its target_layer_names name no layers of the model")
    shapes = {layer.path: _kernel_shape(layer) for layer in layers}
    for path, (a, b) in pairs.items():
        shape = shapes.get(path)
        if shape is None:
            found = "has no such layer"
        elif a.shape != (shape[0], rank) or b.shape != (rank, shape[1]):
            found = f"has a kernel of shape {shape}"
        else:
            continue
        raise _UnfitError(
            "The file's adapters must fit the layers of the model. Received: "
            f"filepath='{filepath}' with {path} of shapes {a.shape} and "
            f"{b.shape}, where the model {found}. Load the model that they "
            "were trained on."
        )
    missing = sorted(
        layer.path
        for layer in layers
        if layer.name in targets and layer.path not in pairs
    )
    if missing:
        raise _UnfitError(
            "The file must have an adapter for each layer of an adapted name. "
            f"Received: filepath='{filepath}' without {missing[0]}. Load the "
            "model that they were trained on."
        )


def _check_finite(array, name, filepath):
    if not np.isfinite(array).all():
        raise ValueError(
            "Adapters must be finite numbers. Received: "
            f"filepath='{filepath}' with NaN or infinity in {name}. Use "
            "adapters from before their training failed."
        )


def _kernel_shape(layer):
    table = hasattr(layer, "embeddings")
    return tuple((layer.embeddings if table else layer.kernel).shape)
