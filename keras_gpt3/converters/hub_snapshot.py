"""A model's files from the Hugging Face hub, as a local folder."""

from keras_gpt3.converters.checkpoint_folder import read_config_json
from keras_gpt3.converters.hub_files import HubFiles
from keras_gpt3.converters.hub_handle import parse_handle
from keras_gpt3.converters.sharded_index import shard_names
from keras_gpt3.converters.weight_files import LAYOUTS

_CHECKPOINT_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
)
_KERAS_FILES = (
    "metadata.json",
    "task.json",
    "task.weights.h5",
    "preprocessor.json",
    "tokenizer.json",
    "assets/tokenizer/vocabulary.json",
    "assets/tokenizer/merges.txt",
)
_KERAS_WEIGHTS = ("model.weights.h5", "model.weights.json")


def fetch_preset(handle, weights=True):
    """Downloads a model from the hub, unless it is in the cache already.

    Only what is needed: the config, the tokenizer's files, and the weights in
    the first format there is of those that are read. Files that were
    downloaded before are not asked for again, and without a network the cache
    alone serves.

    Args:
        handle: string. `"hf://org/name"` or `"hf://org/name@revision"`: a
            checkpoint in Hugging Face's layout, or a Keras preset.
        weights: bool. Whether to fetch the weights. Defaults to `True`.

    Returns:
        The folder, a string.

    Raises:
        ImportError: If huggingface-hub is not installed.
        OSError: If a file is not in the cache and cannot be downloaded.
        ValueError: If there is no such repository or revision, or it lacks a
            file that must be there.
    """
    files = HubFiles(parse_handle(handle))
    is_keras = "registered_name" in read_config_json(files.folder)
    for name in _KERAS_FILES if is_keras else _CHECKPOINT_FILES:
        files.fetch(name)
    if weights:
        names = _KERAS_WEIGHTS if is_keras else [name for name, _ in LAYOUTS]
        _fetch_weights(files, names, handle)
    return str(files.folder)


def _fetch_weights(files, names, handle):
    """Fetches the first of some files that there is, and its shards."""
    for name in names:
        path = files.fetch(name)
        if path is None:
            continue
        if name.endswith(".json"):
            for shard in shard_names(path):
                if files.fetch(shard) is None:
                    raise ValueError(
                        "Every shard that an index names must be there. "
                        f"Received: {name} with {shard!r}, which "
                        f"preset={handle!r} lacks. Tell its owner."
                    )
        return
    raise ValueError(
        f"The repository must hold weights: {' or '.join(names)}. Received: "
        f"preset={handle!r} with none of them. Pass load_weights=False for new "
        "ones."
    )
