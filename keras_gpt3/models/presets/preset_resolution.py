"""From the name of a preset to a backbone."""

import difflib
import inspect
import logging
import pathlib

import keras
from keras_hub.src.utils.preset_utils import TASK_CONFIG_FILE
from keras_hub.src.utils.preset_utils import KerasPresetLoader
from keras_hub.src.utils.preset_utils import check_file_exists
from keras_hub.src.utils.preset_utils import get_preset_loader
from keras_hub.src.utils.preset_utils import load_json

from keras_gpt3 import preset_loader
from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import recover_folder
from keras_gpt3.converters.hub_snapshot import fetch_preset
from keras_gpt3.converters.sharded_index import is_checkpoint_folder
from keras_gpt3.models.presets.checkpoint_loading import load_checkpoint
from keras_gpt3.models.presets.checkpoint_tokenizer import (
    read_special_token_ids,
)
from keras_gpt3.models.presets.preset_files import check_finite
from keras_gpt3.models.presets.preset_files import check_plain_files
from keras_gpt3.models.presets.preset_files import check_preset
from keras_gpt3.models.presets.preset_files import check_scheme
from keras_gpt3.models.presets.preset_files import damage_named
from keras_gpt3.models.presets.preset_files import damaged_preset
from keras_gpt3.models.presets.preset_files import foreign_format
from keras_gpt3.models.presets.preset_files import has_weights
from keras_gpt3.models.presets.weight_of_path import check_stored_shapes
from keras_gpt3.planning.preflight import check_fits

_logger = logging.getLogger("keras_gpt3")

# Files of tokenizers that work in another way.
_FOREIGN_TOKENIZERS = ("spiece.model", "tokenizer.model")


def load_backbone(cls, preset, load_weights, overrides):
    """Build the backbone that a preset describes."""
    check_known_arguments(cls, overrides)
    preset = resolve_preset(preset, load_weights)
    build = {
        SHIPPED: _build_shipped,
        CHECKPOINT: load_checkpoint,
        SAVED: _load_saved,
    }[preset.format]
    return build(cls, preset, load_weights, overrides)


# By `keras_gpt3`, transformers and `save_to_preset`.
SHIPPED, CHECKPOINT, SAVED = "shipped", "checkpoint", "saved"


class ResolvedPreset(str):
    """A shipped name, a checked folder, or a handle that keras-hub loads.

    A string, for the `from_preset` of a user's subclass may take it.
    """

    format = None


def resolve_preset(preset, load_weights=None):
    """Find out what a preset is, once a call; a resolved one stays.

    Downloads what is on the Hugging Face hub, a handle's or a name's.
    """
    if isinstance(preset, ResolvedPreset):
        return preset
    preset = str(preset)
    if load_weights is not None and not isinstance(load_weights, bool):
        raise ValueError(
            "load_weights must be None, True or False. Received: load_weights="
            f"{echoed(load_weights)}. Leave it out to load what weights there "
            "are."
        )
    check_scheme(preset)
    is_named = preset_loader.is_named_checkpoint(preset)
    trained = preset_loader.trained_folder(preset)
    if (is_named or trained) and pathlib.Path(preset).is_dir():
        raise ValueError(
            "preset must be either a known name or a folder. Received: "
            f"preset={echoed(preset)}, which is both. Pass './{preset}' for "
            "the folder, or rename it."
        )
    if trained is not None:
        preset = str(trained)
    if is_named or preset.startswith("hf://"):
        preset = fetch_preset(preset, weights=load_weights is not False)
    recover_folder(preset)
    check_plain_files(preset)
    resolved = ResolvedPreset(preset)
    if preset_loader.is_shipped(preset):
        resolved.format = SHIPPED
    elif is_checkpoint_folder(preset):
        resolved.format = CHECKPOINT
    else:
        check_preset(preset)
        resolved.format = SAVED
    return resolved


def stored_token_ids(preset, vocabulary_size):
    """Read the special ids of a model that may lack a tokenizer."""
    if preset.format == SHIPPED:
        return {}
    if preset.format == CHECKPOINT:
        ids = read_special_token_ids(preset)
    elif check_file_exists(preset, TASK_CONFIG_FILE):
        with damage_named(preset):
            config = load_json(preset, TASK_CONFIG_FILE)["config"]
            ids = dict(config.get("special_token_ids", {}))
    else:
        return {}
    with damage_named(preset):
        ids["eos_token_id"] = [
            id for id in ids.get("eos_token_id", ()) if id < vocabulary_size
        ]
        return {
            name: id
            for name, id in ids.items()
            if (id if isinstance(id, list) else id < vocabulary_size)
        }


def _build_shipped(cls, preset, load_weights, overrides):
    """A new model of a published size, with the paper's initialization."""
    if load_weights:
        raise ValueError(
            "load_weights must be None or False for a shipped preset: GPT-3's "
            f"weights were never published. Received: preset={echoed(preset)}, "
            f"load_weights={load_weights}. Load a folder that save_to_preset "
            "wrote to get trained weights."
        )
    config = preset_loader.load_shipped_preset(preset)["backbone"] | overrides
    check_fits(config, preset, overrides.get("dtype"))
    backbone = cls(**config)
    if load_weights is None:  # Else the caller knows.
        _logger.warning(
            "%s has no published weights; it is initialized as the paper says.",
            preset,
        )
    return backbone


def _load_saved(cls, preset, load_weights, overrides):
    """A model that `save_to_preset` wrote, here or on Kaggle's hub."""
    loader = get_preset_loader(preset)
    if not isinstance(loader, KerasPresetLoader):
        raise foreign_format(preset)
    saved_class = loader.check_backbone_class()
    if not issubclass(saved_class, cls):
        raise ValueError(
            f"preset must hold a {cls.__name__}. Received: "
            f"preset={echoed(preset)} with a {saved_class.__name__}. Call "
            f"{saved_class.__name__}.from_preset instead."
        )
    if "://" in preset:  # A preset on Kaggle's hub always has weights.
        load_weights = load_weights is not False
    else:
        load_weights = has_weights(preset, load_weights)
    with damage_named(preset):
        saved = loader.config["config"]
    if load_weights:
        check_stored_shapes(saved, overrides)
    dtype = overrides.get("dtype") or _saved_dtype(preset, saved)
    overrides = overrides | {"dtype": dtype}
    with damage_named(preset):
        check_fits(saved | overrides, preset, dtype)
        backbone = loader.load_backbone(cls, load_weights, **overrides)
    if load_weights:
        check_finite(backbone, preset)
    return backbone


def _saved_dtype(preset, saved):
    """The policy to load in: as saved, unless a global one was set.

    keras-hub's own rule drops the types of quantized layers, and fails at a
    mixed policy.
    """
    dtype, set_globally = saved.get("dtype"), keras.config.dtype_policy()
    try:
        policy = keras.dtype_policies.get(dtype)
        is_plain = policy.quantization_mode is None and not hasattr(
            policy, "default_policy"
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise damaged_preset(preset, f"its dtype: {error}") from error
    if is_plain and set_globally.name != "float32":
        return set_globally
    return dtype


def has_preprocessor(preset):
    """Whether a preset holds a tokenizer; those on Kaggle's hub always do.

    Logs which files a checkpoint lacks, for its model then takes no texts.
    """
    if preset.format == SHIPPED or "://" in preset:
        return True
    folder = pathlib.Path(preset)
    names = ["tokenizer.json"]
    is_checkpoint = preset.format == CHECKPOINT
    if is_checkpoint:
        names += ["vocab.json", "merges.txt"]  # Of GPT-2's older format.
    has_tokenizer = any((folder / name).exists() for name in names)
    if is_checkpoint and not has_tokenizer:
        foreign = [n for n in _FOREIGN_TOKENIZERS if (folder / n).exists()]
        _logger.warning(
            "%s has no tokenizer.json and no vocab.json with a merges.txt%s: "
            "the model works on token ids, not on texts.",
            preset,
            f"; its {foreign[0]} is not read" if foreign else "",
        )
    return has_tokenizer


# What every keras.Model takes.
_KERAS_ARGUMENTS = {"name", "trainable"}


def check_known_arguments(cls, arguments, also=()):
    """Raise at an argument that a constructor does not name.

    Keras' functional models and keras-hub's loaders drop unknown arguments in
    silence, a misspelt one too.
    """
    known = set(inspect.signature(cls.__init__).parameters)
    known = known - {"self", "kwargs"} | _KERAS_ARGUMENTS | set(also)
    for name in sorted(set(arguments) - known):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {close[0]}?" if close else "Remove it."
        raise ValueError(
            f"Overrides must be arguments of {cls.__name__}: {sorted(known)}. "
            f"Received: {name}={echoed(arguments[name])}. {hint}"
        )
