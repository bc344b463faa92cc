"""What a folder in Hugging Face's layout says of texts."""

import logging
import pathlib

from keras_gpt3.argument_checks import echoed
from keras_gpt3.converters.checkpoint_families import FAMILIES
from keras_gpt3.converters.checkpoint_families import family_of
from keras_gpt3.converters.sharded_index import read_config_json
from keras_gpt3.converters.tokenizer_files import read_tokenizer
from keras_gpt3.converters.tokenizer_json import read_json_object

_logger = logging.getLogger("keras_gpt3")

_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


def read_checkpoint_tokenizer(folder):
    """Read the tokenizer of a checkpoint that must have one.

    In transformers, `generate` stops where `generation_config.json` or
    `config.json` says; here it stops at the tokenizer's end token. A warning
    says so where these differ.
    """
    files = read_tokenizer(folder)
    if files is None:
        raise ValueError(
            "A checkpoint must have a tokenizer.json, or a vocab.json and a "
            f"merges.txt. Received: preset={echoed(str(folder))}, which has "
            "none of them. Pass preprocessor=None to GPT3.from_preset to work "
            "on token ids."
        )
    _warn_of_other_ends(pathlib.Path(folder), files)
    return files


def read_special_token_ids(folder):
    """Read the ids that a checkpoint's configs name, as transformers does."""
    path, ids, _ = _special_token_ids(pathlib.Path(folder))
    known = {
        name: [id for id in _as_ids(path, name, value) if id >= 0]
        for name, value in ids.items()
    }
    return {
        name: ids if name == "eos_token_id" else ids[0]
        for name, ids in known.items()
        if ids
    }


def _warn_of_other_ends(folder, files):
    """Warn of ids at which transformers would stop, and `generate` not."""
    path, ids, vocabulary_size = _special_token_ids(folder)
    ids = _as_ids(path, "eos_token_id", ids.get("eos_token_id"))
    end = files.vocabulary[files.end_token]
    # Ids that a model cannot give are common: defaults of a larger vocabulary.
    if any(0 <= id < vocabulary_size and id != end for id in ids):
        _logger.warning(
            "generate stops at the tokenizer's end, %r (id %d), but %s has "
            "eos_token_id=%s. Pass stop_token_ids=%s to generate to stop as "
            "transformers does.",
            files.end_token,
            end,
            path,
            ids if len(ids) > 1 else ids[0],
            ids,
        )


def _special_token_ids(folder):
    """What transformers reads: the file, its ids, and the vocabulary's size.

    It stops where a `generation_config.json` says, in place of `config.json`,
    which may leave out its family's defaults.
    """
    path = folder / "config.json"
    config = read_json_object(path) or {}
    family = FAMILIES.get(str(config.get("model_type")))
    defaults = family.special_token_ids if family else {}
    ids = {name: config.get(name, defaults.get(name)) for name in _TOKEN_IDS}
    generation_path = folder / "generation_config.json"
    generation_config = read_json_object(generation_path)
    if generation_config is not None:
        path = generation_path
        ids["eos_token_id"] = generation_config.get("eos_token_id")
    size = config.get("vocab_size")
    return path, ids, size if isinstance(size, int) else 0


def _as_ids(path, name, ids):
    """An entry of a config as a list."""
    if ids is None:
        return []
    ids = ids if isinstance(ids, list) else [ids]
    if any(type(id) is not int for id in ids):
        what = "an id, a list of ids or null"
        raise ValueError(
            f"{name} must be {what}. Received: file={echoed(str(path))} with "
            f"{ids!r:.80}. Write the id of that token, or null."
        )
    return ids


def checkpoint_context(folder):
    """Read how many tokens a checkpoint's model takes."""
    config = read_config_json(folder)
    arguments = family_of(config).backbone_arguments(config)
    return arguments["max_sequence_length"]
