"""The index of weights that lie in several files."""

import json
import pathlib

from keras_gpt3.argument_checks import echoed


def read_index(path):
    """Read which file holds which tensor.

    Every file must lie in the index' own folder, under a plain name: an index
    from elsewhere could otherwise name any file of this machine.
    """
    path = pathlib.Path(path)
    files = _weight_map(path)
    for file in files.values():
        _check_plain(file, path)
        if not (path.parent / file).is_file():
            raise ValueError(
                "Every shard that an index names must be there. Received: "
                f"{path.name} with {echoed(file)}, which {path.parent} lacks. "
                "Download all shards."
            )
    return files


def shard_names(path):
    """Read which files an index names, whether or not they are there."""
    path = pathlib.Path(path)
    names = set()
    for files in _weight_map(path).values():
        for file in files if isinstance(files, list) else [files]:
            _check_plain(file, path)
            names.add(file)
    return sorted(names)


def check_shards(files, shapes_of, path):
    """Raise unless each shard is there and holds what the index says."""
    for name, file in files.items():
        if name not in shapes_of[file]:
            raise ValueError(
                "A shard must hold the tensors that its index names. Received: "
                f"{path.name} with {name} in {file}, which lacks it. Download "
                "both again."
            )
    for file, names in shapes_of.items():
        for name in names:
            if files.get(name) != file:
                raise ValueError(
                    "A tensor must be in one shard, the one that the index "
                    f"names. Received: {name} in {file}, where {path.name} has "
                    f"{files.get(name)}. Download the files again."
                )


def _weight_map(path):
    """An index' dict from tensors to files, not yet checked."""
    try:
        index = read_json(path)
    except ValueError as error:
        raise ValueError(
            f"{path.name} must be valid JSON. Received: {path} ({error}). "
            "Download it again."
        ) from error
    files = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(files, dict) or not files:
        raise ValueError(
            f"{path.name} must hold a weight_map from tensors to files. "
            f"Received: {path} with none. Download it again."
        )
    return files


def _check_plain(file, path):
    """Raise unless a shard's name is that of a file beside the index."""
    plain = (
        isinstance(file, str)
        and file not in ("", ".", "..")
        and not set(file) & set("/\\:\0")
    )
    if not plain:
        raise ValueError(
            "A shard must lie beside its index, under a plain file name. "
            f"Received: {path.name} with {echoed(file)}. Do not load this "
            "checkpoint: its index points elsewhere."
        )


def is_checkpoint_folder(folder):
    """Whether a folder's `config.json` is of that layout, not Keras' own."""
    try:
        config = read_config_json(folder)
    except (OSError, ValueError):
        return False
    return "model_type" in config and "registered_name" not in config


def read_config_json(folder):
    """Read the `config.json` of a folder."""
    path = pathlib.Path(folder) / "config.json"
    try:
        config = read_json(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"A checkpoint's folder must hold a config.json. Received: {folder}"
            ". Pass the folder that holds it."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"config.json must be valid JSON. Received: {path} ({error}). "
            "Download or save it again."
        ) from error
    if not isinstance(config, dict):
        raise ValueError(
            "config.json must hold one object. Received: "
            f"{path} with {config!r:.50}. Download or save it again."
        )
    return config


def read_json(path):
    """Read a JSON file, so that any damage to it is a `ValueError`."""
    try:
        return json.loads(path.read_text("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def write_json(path, content, indent=2):
    """Write a JSON file as transformers does, one of one line unsorted."""
    text = json.dumps(
        content,
        ensure_ascii=False,
        indent=indent,
        sort_keys=indent is not None,
    )
    path.write_text(text + "\n", "utf-8")


CHECKPOINT_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)
# Patterns, as of a sharded checkpoint the names are not known.
CHECKPOINT_WEIGHTS = (
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model-*.bin",
    "pytorch_model.bin.index.json",
)
CHECKPOINT_FILES = (
    "config.json",
    "generation_config.json",
    *CHECKPOINT_TOKENIZER,
    *CHECKPOINT_WEIGHTS,
)

KERAS_TOKENIZER = (
    "preprocessor.json",
    "tokenizer.json",
    "assets/tokenizer/vocabulary.json",
    "assets/tokenizer/merges.txt",
)
KERAS_FILES = (
    "config.json",
    "metadata.json",
    "task.json",
    "model.weights.h5",
    "model_*.weights.h5",
    "model.weights.json",
    "task.weights.h5",
    *KERAS_TOKENIZER,
)
