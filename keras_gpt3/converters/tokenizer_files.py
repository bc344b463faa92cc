"""The tokenizer files of a checkpoint in Hugging Face's layout."""

import pathlib
from dataclasses import dataclass

from keras_gpt3.converters.sharded_index import write_json
from keras_gpt3.converters.tokenizer_json import MERGES_FILE
from keras_gpt3.converters.tokenizer_json import VOCABULARY_FILE
from keras_gpt3.converters.tokenizer_json import TokenizerJson
from keras_gpt3.converters.tokenizer_json import add_tokens
from keras_gpt3.converters.tokenizer_json import check_merges
from keras_gpt3.converters.tokenizer_json import damaged
from keras_gpt3.converters.tokenizer_json import foreign
from keras_gpt3.converters.tokenizer_json import merges_text
from keras_gpt3.converters.tokenizer_json import read_merges
from keras_gpt3.converters.tokenizer_json import read_tokenizer_json
from keras_gpt3.converters.tokenizer_json import read_tokens
from keras_gpt3.converters.tokenizer_json import tokenizer_json
from keras_gpt3.converters.tokenizer_settings import SETTINGS_FILE
from keras_gpt3.converters.tokenizer_settings import read_tokenizer_settings
from keras_gpt3.converters.tokenizer_settings import tokenizer_settings

TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class TokenizerFiles:
    """What the tokenizer files of a checkpoint say."""

    vocabulary: dict
    merges: list
    special_tokens: tuple
    start_token: str
    end_token: str
    pad_token: str
    add_start_token: bool


def read_tokenizer(folder):
    """Read the tokenizer of a checkpoint, which must encode as GPT-2's.

    The vocabulary and the merges come from `tokenizer.json`, or `vocab.json`
    and `merges.txt`. As in transformers, a `tokenizer.json` also decides
    whether a start token stands before texts.
    """
    folder = pathlib.Path(folder)
    content = _read_content(folder)
    if content is None:
        return None
    settings = read_tokenizer_settings(folder)
    added_tokens = [*content.added_tokens, *settings.added_tokens]
    vocabulary = add_tokens(content.vocabulary, added_tokens)
    start, end, pad = _roles(folder, content, settings)
    special_tokens = {token for _, token, _ in added_tokens}
    special_tokens |= {start, end, pad, *settings.more}
    special_tokens |= {*settings.named.values()}
    for token in sorted(special_tokens - vocabulary.keys()):
        path = settings.paths.get(token, folder / SETTINGS_FILE)
        raise _unknown_token(path, token)
    # One that the files do not mention counts only where it is known.
    special_tokens |= {*settings.defaults.values()} & vocabulary.keys()
    has_json = (folder / TOKENIZER_FILE).exists()
    source = folder / (TOKENIZER_FILE if has_json else MERGES_FILE)
    check_merges(source, content.merges, vocabulary, special_tokens)
    has_start = content.start_token is not None
    return TokenizerFiles(
        vocabulary=vocabulary,
        merges=content.merges,
        special_tokens=tuple(sorted(special_tokens, key=vocabulary.get)),
        start_token=start,
        end_token=end,
        pad_token=pad,
        add_start_token=has_start if has_json else settings.add_start_token,
    )


def _unknown_token(path, token):
    """The error for a token without id; transformers would make one up."""
    remedy = "Add it to added_tokens.json, with its id"
    return foreign(path, "special token", token, remedy)


def _read_content(folder):
    """Read vocabulary and merge from the files that are there."""
    content = read_tokenizer_json(folder / TOKENIZER_FILE)
    tokens = read_tokens(folder / VOCABULARY_FILE)
    merges = read_merges(folder / MERGES_FILE)
    if content is None:
        if tokens is None and merges is None:
            return None
        for name, found in ((VOCABULARY_FILE, tokens), (MERGES_FILE, merges)):
            if found is None:
                raise damaged(folder / name, "the file is missing")
        return TokenizerJson(tokens, merges, [], None)
    for name, found, other in (
        (VOCABULARY_FILE, tokens, content.vocabulary),
        (MERGES_FILE, merges, content.merges),
    ):
        if found is not None and found != other:
            reason = f"it differs from {TOKENIZER_FILE} beside it"
            raise damaged(folder / name, reason)
    return content


def _roles(folder, content, settings):
    """The start, end and pad tokens."""
    tokens = settings.defaults | settings.named
    end = tokens.get("eos_token")
    if end is None:
        path = folder / SETTINGS_FILE
        raise foreign(path, "eos_token", end, "Name the token that ends texts")
    # Without one of its own, a text follows the end of another.
    start = content.start_token or tokens.get("bos_token") or end
    return start, end, tokens.get("pad_token") or end


def write_tokenizer(folder, files):
    """Write the files from which transformers loads a tokenizer.

    `vocab.json`, `merges.txt`, `tokenizer.json`, `tokenizer_config.json` and
    `special_tokens_map.json`.
    """
    folder = pathlib.Path(folder)
    config, special_tokens = tokenizer_settings(files)
    (folder / TOKENIZER_FILE).write_text(tokenizer_json(files) + "\n", "utf-8")
    (folder / MERGES_FILE).write_text(merges_text(files.merges), "utf-8")
    ids = sorted(files.vocabulary.items(), key=lambda item: item[1])
    # A vocabulary's lines would be as many as its tokens.
    write_json(folder / VOCABULARY_FILE, dict(ids), indent=None)
    write_json(folder / SETTINGS_FILE, config)
    write_json(folder / "special_tokens_map.json", special_tokens)
