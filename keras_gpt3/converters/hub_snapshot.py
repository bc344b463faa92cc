"""A model's files from the Hugging Face hub, as a local folder."""

import logging

from keras_gpt3.converters.checkpoint_folder import read_config_json
from keras_gpt3.converters.hub_files import HubFiles
from keras_gpt3.converters.hub_handle import parse_handle
from keras_gpt3.converters.model_files import CHECKPOINT_TOKENIZER
from keras_gpt3.converters.model_files import KERAS_TOKENIZER
from keras_gpt3.converters.sharded_index import shard_names
from keras_gpt3.converters.weight_files import LAYOUTS
from keras_gpt3.echoed_value import echoed

_logger = logging.getLogger("keras_gpt3")

_CHECKPOINT_FILES = (*CHECKPOINT_TOKENIZER, "generation_config.json")
_KERAS_FILES = (
    *("metadata.json", "task.json", "task.weights.h5"),
    *KERAS_TOKENIZER,
)
_KERAS_WEIGHTS = ("model.weights.h5", "model.weights.json")
# Without any of them, a folder of either kind has no tokenizer.
_TOKENIZERS = ("tokenizer.json", "vocab.json", "merges.txt")


def fetch_preset(handle, weights=True):
    """Downloads a model from the hub, unless it is in the cache already.

    Only what is needed: the config, the tokenizer's files, and the weights in
    the first format there is of those that are read. Files that were
    downloaded before are not asked for again. Without a network the cache
    alone serves, also one that another program filled: the weights must then
    be in it, and a warning names what else is not.
    """
    files = HubFiles(parse_handle(handle))
    is_keras = "registered_name" in read_config_json(files.folder)
    for name in _KERAS_FILES if is_keras else _CHECKPOINT_FILES:
        files.fetch(name)
    not_asked = list(files.not_asked)
    if weights:
        names = _KERAS_WEIGHTS if is_keras else [name for name, _ in LAYOUTS]
        _fetch_weights(files, names, handle)
    if not_asked:
        _warn_of_absent(not_asked, handle, files.folder)
    return str(files.folder)


def _warn_of_absent(names, handle, folder):
    """Says which files count as absent though the hub may have them."""
    absent = ", ".join(names)
    if not any((folder / name).exists() for name in _TOKENIZERS):
        absent += "; so it has no tokenizer and no preprocessor"
    _logger.warning(
        "Files that the cache lacks count as absent when the hub cannot be "
        "asked. Received: preset=%r without %s. Load it once with a network "
        "for all that there is.",
        handle,
        absent,
    )


def _fetch_weights(files, names, handle):
    """Fetches the first of some files that there is, and its shards."""
    for name in names:
        path = files.fetch(name)
        if path is None:
            continue
        if name.endswith(".json"):
            for shard in shard_names(path):
                if files.fetch(shard) is None:
                    files.check_asked(shard)
                    raise ValueError(
                        "Every shard that an index names must be there. "
                        f"Received: {name} with {echoed(shard)}, which "
                        f"preset={echoed(handle)} lacks. Tell its owner."
                    )
        return
    for name in names:
        files.check_asked(name)
    raise ValueError(
        f"The repository must hold weights: {' or '.join(names)}. Received: "
        f"preset={echoed(handle)} with none of them. Pass load_weights=False "
        "for new ones."
    )
