"""Reads Hugging Face's tokenizer.json, which must hold GPT-2's encoding."""

from dataclasses import dataclass

from keras_gpt3.converters.tokenizer_added_tokens import check_one_pass
from keras_gpt3.converters.tokenizer_added_tokens import token_content
from keras_gpt3.converters.tokenizer_json_object import damaged
from keras_gpt3.converters.tokenizer_json_object import foreign
from keras_gpt3.converters.tokenizer_json_object import read_json_object
from keras_gpt3.converters.tokenizer_post_processor import read_start_token
from keras_gpt3.converters.tokenizer_vocabulary import check_tokens

# Parts of the file, and of some parts their settings, with the values that
# GPT-2's encoding has; `None` where any value gives the same ids. An unknown
# token, say, never comes up where all bytes are known.
_PARTS = {
    "version": None,
    "truncation": None,
    "padding": None,
    "added_tokens": None,
    "normalizer": (None,),
    "pre_tokenizer": None,
    "post_processor": None,
    "decoder": None,
    "model": None,
}
_MODEL = {
    "type": ("BPE", None),
    "dropout": (None, 0),
    "unk_token": None,
    "fuse_unk": None,
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (False, None),
    "ignore_merges": (False, None),
    "vocab": None,
    "merges": None,
}
_PRE_TOKENIZER = {
    "type": ("ByteLevel",),
    "add_prefix_space": (False,),
    "trim_offsets": None,
    "use_regex": (True, None),
}
_DECODER = _PRE_TOKENIZER | {"add_prefix_space": None, "use_regex": None}


@dataclass(frozen=True)
class TokenizerJson:
    """What a tokenizer.json says."""

    vocabulary: dict
    merges: list
    added_tokens: list
    start_token: str | None


def read_tokenizer_json(path):
    """Reads a tokenizer.json that must hold GPT-2's byte-level encoding."""
    content = read_json_object(path)
    if content is None:
        return None
    _check(path, "", content, _PARTS)
    for part, allowed in (
        ("model", _MODEL),
        ("pre_tokenizer", _PRE_TOKENIZER),
        ("decoder", _DECODER),
    ):
        if not isinstance(content.get(part), dict):
            raise foreign(path, part, content.get(part))
        _check(path, f"{part}.", content[part], allowed)
    vocabulary = content["model"].get("vocab")
    if not isinstance(vocabulary, dict):
        raise damaged(path, f"model.vocab={vocabulary!r:.50}")
    added_tokens = _read_added_tokens(path, content.get("added_tokens"))
    start = read_start_token(path, content.get("post_processor"))
    if start is not None:
        added_tokens.append((path, *start))
    return TokenizerJson(
        vocabulary=check_tokens(path, vocabulary),
        merges=_read_merges(path, content["model"].get("merges")),
        added_tokens=added_tokens,
        start_token=start and start[0],
    )


def _check(path, prefix, content, allowed):
    """Raises at a setting that is unknown, or has another value."""
    for name in {**content, **allowed}:
        value = content.get(name)
        if name not in allowed:
            raise foreign(path, f"{prefix}{name}", value)
        # Compared with their types, as 0 equals False.
        values = allowed[name]
        if values is not None and all(
            (value, isinstance(value, bool)) != (v, isinstance(v, bool))
            for v in values
        ):
            raise foreign(path, f"{prefix}{name}", value)


def _read_merges(path, merges):
    """Reads rules that are written as "left right" or as pairs."""
    if not isinstance(merges, list):
        raise damaged(path, f"model.merges={merges!r:.50}")
    rules = []
    for merge in merges:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(isinstance(t, str) and t and " " not in t for t in pair)
        ):
            raise damaged(path, f"a rule of model.merges is {merge!r:.50}")
        rules.append(" ".join(pair))
    return rules


def _read_added_tokens(path, tokens):
    """Reads the list of added tokens."""
    if tokens is None:
        return []
    if not isinstance(tokens, list):
        raise damaged(path, f"added_tokens={tokens!r:.50}")
    added = []
    for token in tokens:
        content = token_content(path, "a token of added_tokens", token)
        if not isinstance(token, dict):
            raise damaged(path, f"a token of added_tokens is {token!r:.50}")
        added.append((path, content, token.get("id")))
    check_one_pass(path, tokens)
    return added
