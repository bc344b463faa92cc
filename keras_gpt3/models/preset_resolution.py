"""From the name of a preset to a backbone."""

import difflib
import inspect
import json
import logging
import pathlib

# keras-hub's loader does the reading; it has no public name.
from keras_hub.src.utils.preset_utils import KerasPresetLoader
from keras_hub.src.utils.preset_utils import get_preset_loader

from keras_gpt3 import preset_loader
from keras_gpt3.planning.preflight import check_fits

# Overrides of these change the shape of a stored weight.
_SHAPES = (
    "vocabulary_size",
    "num_layers",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
)
_logger = logging.getLogger("keras_gpt3")


def load_backbone(cls, preset, load_weights, overrides):
    """Builds the backbone that a preset describes.

    Args:
        cls: `GPT3Backbone` or a subclass.
        preset: string. See `GPT3Backbone.from_preset`.
        load_weights: bool or `None`. See `GPT3Backbone.from_preset`.
        overrides: dict. Arguments of the constructor that differ.

    Returns:
        An instance of `cls`.

    Raises:
        ValueError: See `GPT3Backbone.from_preset`.
        MemoryError: If the weights cannot fit into memory.
    """
    preset = str(preset)
    _check_overrides(cls, overrides)
    if preset_loader.is_shipped(preset):
        return _build_shipped(cls, preset, load_weights, overrides)
    return _load_saved(cls, preset, load_weights, overrides)


def _build_shipped(cls, preset, load_weights, overrides):
    """A new model of a published size, with the paper's initialization."""
    if load_weights:
        raise ValueError(
            "load_weights must be None or False for a shipped preset: GPT-3's "
            f"weights were never published. Received: preset={preset!r}, "
            f"load_weights={load_weights}. Load a folder that save_to_preset "
            "wrote to get trained weights."
        )
    config = preset_loader.load_shipped_preset(preset)["backbone"] | overrides
    check_fits(config, preset, overrides.get("dtype"))
    _logger.warning(
        "%s has no published weights; it is initialized as the paper says.",
        preset,
    )
    return cls(**config)


def _load_saved(cls, preset, load_weights, overrides):
    """A model that `save_to_preset` wrote, here or on a hub."""
    _check_folder(preset)
    loader = get_preset_loader(preset)
    if not isinstance(loader, KerasPresetLoader):
        raise _foreign_format(preset)
    saved_class = loader.check_backbone_class()
    if not issubclass(saved_class, cls):
        raise ValueError(
            f"preset must hold a {cls.__name__}. Received: preset={preset!r} "
            f"with a {saved_class.__name__}. Call "
            f"{saved_class.__name__}.from_preset instead."
        )
    if load_weights is None:
        load_weights = _has_weights(preset)
    saved = loader.config["config"]
    changed = [k for k in _SHAPES if overrides.get(k, saved[k]) != saved[k]]
    if load_weights and changed:
        raise ValueError(
            "Overrides must not change the shape of stored weights. Received: "
            f"{', '.join(f'{k}={overrides[k]}' for k in changed)} where the "
            f"preset has {', '.join(f'{k}={saved[k]}' for k in changed)}. Pass "
            "load_weights=False to start from new weights."
        )
    # keras-hub's loader would drop the types of quantized layers.
    dtype = loader._resolve_dtype(loader.config, overrides)
    overrides = overrides | {"dtype": dtype}
    # Left to itself, the loader drops the policies of quantized layers.
    dtype = loader._resolve_dtype(loader.config, overrides)
    overrides = overrides | {"dtype": dtype}
    check_fits(saved | overrides, preset, dtype)
    return loader.load_backbone(cls, load_weights, **overrides)


def _check_overrides(cls, overrides):
    """Raises at an override that the constructor does not take."""
    known = set(inspect.signature(cls.__init__).parameters)
    known = known - {"self", "kwargs"} | {"name", "trainable"}
    for name in sorted(set(overrides) - known):
        # keras-hub's loader would drop it in silence.
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {close[0]}?" if close else "Remove it."
        raise ValueError(
            f"Overrides must be arguments of {cls.__name__}: {sorted(known)}. "
            f"Received: {name}={overrides[name]!r}. {hint}"
        )


def _check_folder(preset):
    """Raises unless `preset` is a handle, or a folder with a config."""
    if "://" in preset:
        return
    config = pathlib.Path(preset) / "config.json"
    if not config.exists():
        if pathlib.Path(preset).is_dir():
            raise ValueError(
                "A preset folder must hold a config.json. Received: "
                f"preset={preset!r}. Pass a folder that save_to_preset wrote."
            )
        preset_loader.load_shipped_preset(preset)  # Raises, with the names.
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"config.json of a preset must be valid JSON. Received: {config} "
            f"({error}). Save the preset again."
        ) from error
    if "registered_name" not in content:
        raise _foreign_format(preset)


def _foreign_format(preset):
    """The error for a preset of another library."""
    return ValueError(
        "preset must be in Keras' format, with a registered_name in its "
        f"config.json. Received: preset={preset!r}. Load it in its own "
        "library and save it with save_to_preset."
    )


def _has_weights(preset):
    """Whether a preset has weights; those on a hub always do."""
    return "://" in preset or any(pathlib.Path(preset).glob("*.weights.h5"))
