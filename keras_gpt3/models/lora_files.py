"""Files that hold the adapters of a model, and nothing of the model."""

import contextlib
import json
import os
import pathlib

import numpy as np

from keras_gpt3.models.lora import adaptable_layers
from keras_gpt3.models.lora import adapters
from keras_gpt3.models.lora import enable_lora
from keras_gpt3.models.lora import lora_settings

_SUFFIX = ".lora.h5"
_FORMAT = "keras_gpt3_lora"


def save_lora_weights(backbone, filepath):
    """Writes the adapters of a backbone to a file, whole or not at all.

    It holds rank, alpha, the adapted layers and the two parts of each adapter:
    a small share of the model's own bytes.

    Args:
        backbone: `GPT3Backbone` with adapters.
        filepath: path. It ends in `.lora.h5`; a file there is replaced.

    Raises:
        ValueError: If there are no adapters, or the path ends otherwise.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.models.lora_files import load_lora_weights
    from keras_gpt3.models.lora_files import save_lora_weights

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=100, num_layers=1, num_heads=2, hidden_dim=16,
        intermediate_dim=64, max_sequence_length=32,
    )
    backbone.enable_lora(2)
    save_lora_weights(backbone, "answers.lora.h5")
    load_lora_weights(backbone, "answers.lora.h5")
    ```
    """
    import h5py

    path, present = pathlib.Path(filepath), adapters(backbone)
    if not path.name.endswith(_SUFFIX):
        raise ValueError(
            f"The name of a file of adapters must end in {_SUFFIX}. Received: "
            f"filepath='{path}'. Rename it."
        )
    if not present:
        raise ValueError(
            "A backbone must have adapters to save. Received: none. Call "
            "enable_lora first."
        )
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        with h5py.File(temporary, "w") as file:
            file.attrs[_FORMAT] = json.dumps(lora_settings(backbone))
            for adapter in present:
                for name, part in zip("ab", adapter.parts, strict=True):
                    file[f"{adapter.path}/{name}"] = np.asarray(part)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def load_lora_weights(backbone, filepath):
    """Reads adapters from a file; a backbone without any gets them first.

    Nothing is changed unless the whole file fits.

    Args:
        backbone: `GPT3Backbone`. It has no adapters, or those of the file.
        filepath: path, as `save_lora_weights` wrote it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or no file of adapters, or made for a
            model of another shape or with other adapters.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.models.lora_files import load_lora_weights
    from keras_gpt3.models.lora_files import save_lora_weights

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=100, num_layers=1, num_heads=2, hidden_dim=16,
        intermediate_dim=64, max_sequence_length=32,
    )
    backbone.enable_lora(2)
    save_lora_weights(backbone, "answers.lora.h5")
    load_lora_weights(backbone, "answers.lora.h5")
    ```
    """
    settings, parts = _read(filepath)
    _check_layers(backbone, parts, settings["rank"], filepath)
    if not adapters(backbone):
        enable_lora(
            backbone,
            settings["rank"],
            settings["target_layer_names"],
            settings["lora_alpha"],
        )
    elif (found := lora_settings(backbone)) != settings:
        raise ValueError(
            f"The file's adapters must be those of the model. Received: "
            f"filepath='{filepath}' with {_words(settings)}, a model with "
            f"{_words(found)}. Load them into a model without adapters."
        )
    for adapter in adapters(backbone):
        for variable, value in zip(
            adapter.parts, parts[adapter.path], strict=True
        ):
            variable.assign(value)


def _words(settings):
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def _read(filepath):
    """The settings of a file, and its pairs of arrays by a layer's path."""
    import h5py

    if not os.path.isfile(filepath):
        raise FileNotFoundError(
            "A file of adapters must exist. Received: "
            f"filepath='{filepath}'. Correct the path."
        )
    try:
        with h5py.File(filepath, "r") as file:
            settings = json.loads(file.attrs[_FORMAT])
            parts = {}

            def collect(name, item):
                if isinstance(item, h5py.Dataset):
                    path, _, part = name.rpartition("/")
                    parts.setdefault(path, {})[part] = item[()]

            file.visititems(collect)
        return settings, {k: (v["a"], v["b"]) for k, v in parts.items()}
    # RuntimeError: h5py's, where the bytes of a file end early.
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        first_line = str(error).splitlines()[0]
        raise ValueError(
            "A file of adapters must be whole, and written by "
            f"save_lora_weights. Received: filepath='{filepath}' "
            f"({first_line}). Save the adapters again."
        ) from error


def _check_layers(backbone, parts, rank, filepath):
    """Raises unless the file's adapters fit layers of the backbone."""
    shapes = {
        layer.path: _kernel_shape(layer) for layer in adaptable_layers(backbone)
    }
    for path, (a, b) in parts.items():
        shape = shapes.get(path)
        if shape is None:
            found = "has no such layer"
        elif a.shape != (shape[0], rank) or b.shape != (rank, shape[1]):
            found = f"has a kernel of shape {shape}"
        else:
            continue
        raise ValueError(
            "The file's adapters must fit the layers of the model. Received: "
            f"filepath='{filepath}' with {path} of shapes {a.shape} and "
            f"{b.shape}, where the model {found}. Load the model that they "
            "were trained on."
        )
    names = {path.rpartition("/")[2] for path in parts}
    missing = sorted(
        path
        for path in shapes
        if path.rpartition("/")[2] in names and path not in parts
    )
    if missing:
        raise ValueError(
            "The file must have an adapter for each layer of an adapted name. "
            f"Received: filepath='{filepath}' without {missing[0]}. Load the "
            "model that they were trained on."
        )


def _kernel_shape(layer):
    table = hasattr(layer, "embeddings")
    return tuple((layer.embeddings if table else layer.kernel).shape)
