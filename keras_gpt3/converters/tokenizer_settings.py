"""A tokenizer's settings: tokenizer_config.json and the files before it."""

import json
import logging
from dataclasses import dataclass

from keras_gpt3.converters.sharded_index import write_json
from keras_gpt3.converters.tokenizer_json import check_one_pass
from keras_gpt3.converters.tokenizer_json import damaged
from keras_gpt3.converters.tokenizer_json import foreign
from keras_gpt3.converters.tokenizer_json import read_json_object
from keras_gpt3.converters.tokenizer_json import token_content

SETTINGS_FILE = "tokenizer_config.json"

_logger = logging.getLogger("keras_gpt3")

# transformers' classes that encode as GPT-2's, "Fast" dropped from the end.
_GPT2_CLASS = "GPT2Tokenizer"
_CLASSES = (_GPT2_CLASS, "PreTrainedTokenizer", "TokenizersBackend")

# What would give a text other ids if it were true.
_FALSE = (
    "add_eos_token",
    "add_prefix_space",
    "do_lower_case",
    "split_special_tokens",
)

# The defaults of transformers' GPT2Tokenizer.
_DEFAULTS = dict.fromkeys(
    ("bos_token", "eos_token", "unk_token"), "<|endoftext|>"
)
_LISTS = ("additional_special_tokens", "extra_special_tokens")


@dataclass(frozen=True)
class TokenizerSettings:
    """What the files beside the vocabulary say."""

    named: dict
    defaults: dict
    more: list
    added_tokens: list
    add_start_token: bool
    paths: dict


def read_tokenizer_settings(folder):
    """Read a tokenizer's settings, as transformers does.

    Where `tokenizer_config.json` lists its added tokens, the older
    `special_tokens_map.json` and `added_tokens.json` do not count.
    """
    path = folder / SETTINGS_FILE
    config = read_json_object(path) or {}
    name = _check_class(path, config)
    for flag in _FALSE:
        if config.get(flag) not in (None, False):
            raise foreign(path, flag, config[flag])
    if config.get("clean_up_tokenization_spaces"):
        _logger.warning(
            "%s drops spaces before punctuation from decoded texts; here they "
            "stay, and ids become the very text again.",
            path,
        )
    added = config.get("added_tokens_decoder")
    map_path = folder / "special_tokens_map.json"
    if added is None:
        added_tokens = _read_old_added_tokens(folder / "added_tokens.json")
        of_map = _read_tokens(map_path, read_json_object(map_path) or {})
    else:
        added_tokens = _read_added_tokens(path, added)
        of_map = {}
    tokens = _read_tokens(path, config)
    paths = dict.fromkeys(_all_tokens(tokens), path)
    paths |= dict.fromkeys(_all_tokens(of_map), map_path)
    tokens |= of_map
    defaults = _DEFAULTS if name == _GPT2_CLASS else {}
    return TokenizerSettings(
        named={r: t for r, t in tokens.items() if isinstance(t, str)},
        defaults={r: t for r, t in defaults.items() if r not in tokens},
        more=[t for r in _LISTS for t in tokens.get(r) or ()],
        added_tokens=added_tokens,
        add_start_token=bool(config.get("add_bos_token")),
        paths=paths,
    )


def _check_class(path, config):
    """The name of transformers' class, which must encode as GPT-2's."""
    name = config.get("tokenizer_class") or _GPT2_CLASS
    if not isinstance(name, str) or name.removesuffix("Fast") not in _CLASSES:
        raise foreign(path, "tokenizer_class", name)
    return name.removesuffix("Fast")


def _read_tokens(path, content):
    """The tokens by role; `None` for a role that shall have none."""
    tokens = {}
    for role, value in content.items():
        if role in _LISTS:
            values = value.values() if isinstance(value, dict) else value or ()
            tokens[role] = [token_content(path, role, v) for v in values]
        elif role.endswith("_token") and not isinstance(value, bool):
            is_none = value is None
            tokens[role] = None if is_none else token_content(path, role, value)
    return tokens


def _all_tokens(tokens):
    """The tokens of all roles, in one list."""
    named = [t for t in tokens.values() if isinstance(t, str)]
    return named + [t for role in _LISTS for t in tokens.get(role) or ()]


def _read_added_tokens(path, added):
    """Read `added_tokens_decoder`, whose keys are ids."""
    if not isinstance(added, dict):
        raise damaged(path, f"added_tokens_decoder={added!r:.50}")
    tokens = []
    for id, token in added.items():
        if not id.isdecimal():
            raise damaged(path, f"id={id!r:.50} in added_tokens_decoder")
        name = f"added_tokens_decoder[{id}]"
        tokens.append((path, token_content(path, name, token), int(id)))
    flagged = [token for token in added.values() if isinstance(token, dict)]
    check_one_pass(path, flagged)
    return tokens


def _read_old_added_tokens(path):
    """Read an added_tokens.json, token -> id."""
    added = read_json_object(path) or {}
    return [(path, token, id) for token, id in added.items()]


def tokenizer_settings(files):
    """Describe a tokenizer as tokenizer_config.json does."""
    tokens = {
        "bos_token": files.start_token,
        "eos_token": files.end_token,
        # All bytes are known; left out, transformers would add another.
        "unk_token": files.end_token,
    }
    if files.pad_token != files.end_token:
        tokens["pad_token"] = files.pad_token
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip"), False)
    flags |= {"single_word": False, "special": True}
    ids = files.vocabulary
    config = {
        "add_bos_token": files.add_start_token,
        "add_prefix_space": False,
        "added_tokens_decoder": {
            str(ids[token]): {"content": token, **flags}
            for token in sorted(files.special_tokens, key=ids.__getitem__)
        },
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "tokenizer_class": _GPT2_CLASS,
        **tokens,
    }
    return config, tokens


def write_max_length(folder, length):
    """Add to a tokenizer's settings how many tokens its model takes."""
    path = folder / SETTINGS_FILE
    settings = json.loads(path.read_text("utf-8"))
    settings["model_max_length"] = length
    write_json(path, settings)
