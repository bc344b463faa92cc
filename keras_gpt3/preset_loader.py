"""Presets, read through `importlib.resources`.

The paper published no weights, so a shipped preset is an architecture, a
vocabulary and a training recipe: one JSON a size, with the values of Table 2.1
as printed and as resolved. Models that this package trained have a folder with
weights, and an entry in `trained.json`. Checkpoints of GPT-3's public relatives
have names too: `checkpoints.json` says where each is, and what it is to hold. A
missing or an unknown key in any of these files is an error.
"""

import copy
import difflib
import functools
import importlib.resources
import json
import pathlib
import re

from keras_gpt3.argument_checks import echoed

BACKBONE_KEYS = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "dropout",
    "max_sequence_length",
    "attention_pattern",
    "attention_window",
    "layer_norm_epsilon",
    "activation",
)

# Further arguments of `GPT3Backbone`, in which GPT-3's public relatives vary,
# and their values for GPT-3.
VARIANT_DEFAULTS = {
    "embedding_dim": None,
    "use_bias": True,
    "query_key_value_bias": True,
    "norm_first": True,
    "use_final_norm": True,
    "layer_norm_affine": True,
    "attention_scale": None,
    "scale_by_inverse_layer_index": False,
    "position_offset": 0,
    "skip_padding_positions": False,
}

_PRINTED_KEYS = (
    "n_params",
    "n_layers",
    "d_model",
    "n_heads",
    "d_head",
    "batch_size",
    "learning_rate",
)

# `ramp_note` says where the length of the ramp is from.
_RECIPE_KEYS = (
    "batch_tokens",
    "learning_rate",
    "total_tokens",
    "start_batch_tokens",
    "ramp_tokens",
    "ramp_note",
)

# Section of a preset file -> its keys. None: a plain value.
_SECTIONS = {
    "name": None,
    "description": None,
    "source": None,
    "printed": _PRINTED_KEYS,
    "resolution": None,
    "backbone": BACKBONE_KEYS,
    "recipe": _RECIPE_KEYS,
    "table_d1": ("parameters_millions", "petaflop_s_days", "flops"),
}

# Of a family in `checkpoints.json`, and of each of its checkpoints. `config`
# holds keys of a config.json of transformers: those of the family, then those
# of the size.
_FAMILY_KEYS = ("licence", "licence_source", "config", "checkpoints")
_CHECKPOINT_KEYS = ("repository", "parameters", "config")
# Of a model in `trained.json`.
_TRAINED_KEYS = ("description", "parameters", "licence")


def shipped_presets():
    """List the eight sizes of Table 2.1."""
    return {n: p["description"] for n, p in _read_presets().items()}


def is_shipped(name):
    """Return whether `name` is one of the shipped presets."""
    return isinstance(name, str) and name in _read_presets()


def load_shipped_preset(name):
    """Read one shipped preset."""
    if is_named_checkpoint(name):
        raise ValueError(
            "A recipe and sizes of the paper's must be of a shipped preset. "
            f"Received: preset={echoed(name)}, a checkpoint of another paper. "
            f"Use one of {', '.join(_read_presets())}."
        )
    if not is_shipped(name):
        raise ValueError(
            "preset must be a known name, a local folder or "
            f'"hf://org/name". Received: preset={echoed(name)}. '
            + _suggestion(name)
        )
    return copy.deepcopy(_read_presets()[name])


def trained_presets():
    """Read what is known of the models whose weights the package holds."""
    return copy.deepcopy(_read_trained())


def trained_folder(name):
    """Locate such a model's folder; `None` for another name."""
    if not isinstance(name, str) or name not in _read_trained():
        return None
    return pathlib.Path(str(_preset_folder() / name))


def named_checkpoints():
    """List the published checkpoints that have a name here."""
    return {n: c["description"] for n, c in _read_checkpoints().items()}


def is_named_checkpoint(name):
    """Return whether `name` stands for a repository of the hub."""
    return isinstance(name, str) and name in _read_checkpoints()


def load_named_checkpoint(name):
    """Read what is known of one named checkpoint."""
    return copy.deepcopy(_read_checkpoints()[name])


def vocabulary_paths():
    """Locate GPT-2's vocabulary, which GPT-3 uses unchanged (section 2.1)."""
    folder = _preset_folder()
    return (
        pathlib.Path(str(folder / "encoder.json")),
        pathlib.Path(str(folder / "vocab.bpe")),
    )


def _check_preset(name, preset):
    file_name = f"{name}.json"
    _check_keys(file_name, "the file", preset, _SECTIONS)
    for section, keys in _SECTIONS.items():
        if keys is not None:
            _check_keys(file_name, f'"{section}"', preset[section], keys)
    if preset["name"] != name:
        raise ValueError(
            f"{file_name} must carry its own name. "
            f"Received: name={echoed(preset['name'])}. Rename the file or the "
            "preset."
        )


def _check_keys(file_name, where, section, keys):
    unknown = [key for key in section if key not in keys]
    missing = [key for key in keys if key not in section]
    if unknown or missing:
        raise ValueError(
            f"{file_name} must hold exactly the known keys in {where}. "
            f"Received: unknown={unknown}, missing={missing}. "
            f"Use the keys {', '.join(keys)}."
        )


def _preset_folder():
    return importlib.resources.files("keras_gpt3.presets")


@functools.cache
def _read_presets():
    presets = {}
    for file in _preset_folder().iterdir():
        if file.name.startswith("gpt3_") and file.name.endswith(".json"):
            name = file.name.removesuffix(".json")
            presets[name] = json.loads(file.read_text(encoding="utf-8"))
            _check_preset(name, presets[name])
    return dict(sorted(presets.items(), key=lambda item: _size(item[1])))


@functools.cache
def _read_trained():
    name = "trained.json"
    text = (_preset_folder() / name).read_text(encoding="utf-8")
    trained = json.loads(text)
    for model, entry in trained.items():
        _check_keys(name, f'"{model}"', entry, _TRAINED_KEYS)
    return trained


@functools.cache
def _read_checkpoints():
    name = "checkpoints.json"
    text = (_preset_folder() / name).read_text(encoding="utf-8")
    checkpoints = {}
    for family, entry in json.loads(text).items():
        _check_keys(name, f'"{family}"', entry, _FAMILY_KEYS)
        shared = {key: entry[key] for key in ("licence", "licence_source")}
        for alias, own in entry["checkpoints"].items():
            _check_keys(name, f'"{alias}"', own, _CHECKPOINT_KEYS)
            config = entry["config"] | own["config"]
            checkpoint = shared | own | {"family": family, "config": config}
            checkpoint["description"] = _describe_checkpoint(checkpoint)
            checkpoints[alias] = checkpoint
    return checkpoints


def _describe_checkpoint(checkpoint):
    return (
        f"{checkpoint['family']}, {checkpoint['parameters'] / 1e6:,.1f} "
        "million parameters: the weights and the tokenizer of "
        f"hf://{checkpoint['repository']}, downloaded when first loaded; "
        f"licence: {checkpoint['licence']}."
    )


def _size(preset):
    backbone = preset["backbone"]
    return backbone["num_layers"] * backbone["hidden_dim"] ** 2


def _suggestion(name):
    # All names share their ends, by which every name would be close.
    names = [*_read_presets(), *_read_trained(), *_read_checkpoints()]
    sizes = {_size_in(preset): preset for preset in names}
    close = difflib.get_close_matches(_size_in(name), sizes, n=1)
    use = f"{sizes[close[0]]}, the closest of" if close else "one of"
    shipped = ", ".join(_read_presets())
    return (
        f"Use {use} {shipped} and the checkpoints that keras-gpt3 describe "
        "lists."
    )


def _size_in(name):
    """What distinguishes a name: "small" in "gpt3_small_en"."""
    words = re.split("[^a-z0-9.]+", str(name).lower())
    return "_".join(word for word in words if word not in ("gpt3", "en"))
