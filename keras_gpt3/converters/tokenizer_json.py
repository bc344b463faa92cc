"""Reads Hugging Face's tokenizer.json, which must hold GPT-2's encoding."""

import itertools
from dataclasses import dataclass

from keras_gpt3.converters.sharded_index import read_json
from keras_gpt3.echoed_value import echoed
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS
from keras_gpt3.tokenization.vocabulary import read_merge_rules
from keras_gpt3.tokenization.vocabulary import read_vocabulary

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


_BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}


def tokenizer_json(files):
    """Describes a tokenizer as tokenizer.json does."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
    flags |= {"normalized": False, "special": True}
    ids = files.vocabulary
    start = files.start_token if files.add_start_token else None
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": ids[token], "content": token, **flags}
            for token in sorted(files.special_tokens, key=ids.__getitem__)
        ],
        "normalizer": None,
        "pre_tokenizer": _BYTE_LEVEL,
        "post_processor": post_processor(
            _BYTE_LEVEL | {"trim_offsets": False}, start, ids.get(start)
        ),
        # Whatever it says, decoding drops no space.
        "decoder": _BYTE_LEVEL | {"add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(sorted(ids.items(), key=lambda item: item[1])),
            "merges": [merge.split(" ") for merge in files.merges],
        },
    }


def read_start_token(path, processor):
    """Reads which token, if any, a post-processor puts before a text."""
    if processor is None:
        return None
    kind = processor.get("type") if isinstance(processor, dict) else processor
    if kind == "ByteLevel":  # Moves offsets only.
        return None
    if kind == "Sequence" and isinstance(processor.get("processors"), list):
        parts = [read_start_token(path, p) for p in processor["processors"]]
        starts = [start for start in parts if start is not None]
        if len(starts) < 2:
            return starts[0] if starts else None
    if kind == "TemplateProcessing":
        return _read_template(path, processor)
    raise foreign(path, "post_processor", processor)


def _read_template(path, processor):
    """Reads the token before the text of a template, which may be all."""
    try:
        *starts, text = processor["single"]
        names = [start["SpecialToken"]["id"] for start in starts]
        parts = [processor["special_tokens"][name] for name in names]
        start = [(*part["tokens"], *part["ids"]) for part in parts]
        is_known = (
            text["Sequence"]["id"] == "A"
            and len(start) < 2
            and all(len(token_and_id) == 2 for token_and_id in start)
        )
    except (KeyError, TypeError, ValueError):
        is_known = False
    if not is_known:
        raise foreign(path, "post_processor.single", processor.get("single"))
    return start[0] if start else None


def post_processor(byte_level, start_token=None, start_id=None):
    """Describes what puts a start token before each text."""
    if start_token is None:
        return byte_level
    parts = [
        part
        for type_id, text in enumerate("AB")
        for part in (
            {"SpecialToken": {"id": start_token, "type_id": type_id}},
            {"Sequence": {"id": text, "type_id": type_id}},
        )
    ]
    token = {"id": start_token, "ids": [start_id], "tokens": [start_token]}
    return {
        "type": "TemplateProcessing",
        "single": parts[:2],
        "pair": parts,
        "special_tokens": {start_token: token},
    }


def read_json_object(path):
    """Reads a file that holds one JSON object."""
    try:
        content = read_json(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise damaged(path, str(error)) from None
    if not isinstance(content, dict):
        raise damaged(path, f"content={content!r:.50}")
    return content


def damaged(path, reason):
    """Makes the error for a tokenizer's file that cannot be read."""
    reason = " ".join(reason.split())
    return ValueError(
        "A tokenizer's file must be whole and in its format. Received: "
        f"file={echoed(str(path))} ({reason.rstrip('.')}). Download it again."
    )


def foreign(path, name, value, remedy="Use the tokenizer of a GPT-2"):
    """Makes the error for a setting that GPT-2's tokenizer does not have."""
    return ValueError(
        "A checkpoint's tokenizer must split and join texts as GPT-2's does. "
        f"Received: file={echoed(str(path))}, {name}={value!r:.80}. {remedy}, "
        "or pass preprocessor=None and work on token ids."
    )


# Each would take spaces or letters beside the token with it, or leave it be.
_MATCHING_FLAGS = ("lstrip", "rstrip", "single_word")


def token_content(path, name, token):
    """Reads a token that is written as a string or as an object."""
    flags = token if isinstance(token, dict) else {}
    content = flags.get("content") if token is flags else token
    if not isinstance(content, str) or not content:
        raise damaged(path, f"{name}={token!r:.80}")
    for flag in _MATCHING_FLAGS:
        if flags.get(flag, False) is not False:
            raise foreign(path, f"{flag} of {content!r}", flags[flag])
    return content


def check_one_pass(path, tokens):
    """Raises unless one pass over a text finds what Hugging Face's two find.

    There, tokens whose `normalized` is false are cut out of a text first. One
    pass finds the same unless such a token overlaps with another.
    """
    first = [t["content"] for t in tokens if not t.get("normalized", False)]
    second = [t["content"] for t in tokens if t.get("normalized", False)]
    for a, b in itertools.product(first, second):
        if _overlap(a, b):
            remedy = f"Give {b!r}, which overlaps with it, the same value"
            raise foreign(path, f"normalized of {a!r}", False, remedy)


def _overlap(a, b):
    """Whether a text may hold two strings that share a letter."""
    ends = range(1, min(len(a), len(b)))
    return (
        a in b
        or b in a
        or any(a[-i:] == b[:i] or b[-i:] == a[:i] for i in ends)
    )


def add_tokens(vocabulary, added_tokens):
    """Adds tokens to a vocabulary."""
    known, vocabulary = vocabulary, dict(vocabulary)
    tokens = {id: token for token, id in vocabulary.items()}
    paths = {}
    for path, token, id in added_tokens:
        if type(id) is not int or id < 0:
            raise damaged(path, f"id of {token!r} is {id!r:.50}")
        if vocabulary.get(token, id) != id:
            reason = f"id of {token!r} is {id}, elsewhere {vocabulary[token]}"
            raise damaged(path, reason)
        if tokens.get(id, token) != token:
            raise damaged(path, f"id={id} of both {tokens[id]!r} and {token!r}")
        vocabulary[token] = id
        tokens[id] = token
        paths[token] = path
    _check_consecutive(known, vocabulary, paths)
    return vocabulary


def _check_consecutive(known, vocabulary, paths):
    """Raises at a hole before a new id: transformers would close it unseen."""
    new = sorted(vocabulary.keys() - known.keys(), key=vocabulary.get)
    for id, token in enumerate(new, start=len(known)):
        if vocabulary[token] != id:
            remedy = (
                f"Give it the id {id}, as transformers does in silence, if the "
                "model was trained with that"
            )
            name = f"id of {token!r}"
            raise foreign(paths[token], name, vocabulary[token], remedy)


VOCABULARY_FILE = "vocab.json"
MERGES_FILE = "merges.txt"


def read_tokens(path):
    """Reads a `vocab.json`."""
    tokens = read_json_object(path)
    return None if tokens is None else check_tokens(path, tokens)


def check_tokens(path, tokens):
    """Checks that ids are distinct natural numbers."""
    try:
        return read_vocabulary(tokens)
    except (TypeError, ValueError) as error:
        raise damaged(path, str(error)) from None


def read_merges(path):
    """Reads a `merges.txt`."""
    try:
        rules = read_merge_rules(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise damaged(path, str(error)) from None
    return [f"{left} {right}" for left, right in rules]


def check_merges(path, merges, vocabulary, special_tokens=()):
    """Checks that merges and vocabulary belong together, and are whole.

    A file that was cut between two rules is in its format, but would give
    other ids: some words of the vocabulary are then made by no rule.
    """
    made = set()
    for rule in merges:
        token = rule.replace(" ", "")
        if token not in vocabulary:
            raise damaged(path, f"{rule!r} makes {token!r}, which has no id")
        made.add(token)
    # Tokens that stand for no text, such as OPT's "madeupword0000", need none.
    made.update(special_tokens)
    for token in vocabulary:
        if token in made:
            continue
        is_word = token.startswith(BYTE_SYMBOLS[ord(" ")]) and len(token) > 1
        if is_word or _is_join(token, vocabulary):
            raise damaged(path, f"no rule makes {token!r:.80}")


def _is_join(token, vocabulary):
    """Whether a rule could make a token: of two that have ids."""
    return any(
        token[:cut] in vocabulary and token[cut:] in vocabulary
        for cut in range(1, len(token))
    )


def merges_text(merges):
    """Writes merge rules as a `merges.txt` has them."""
    # GPT-2's own reader drops the first line unseen.
    return "\n".join(["#version: 0.2", *merges, ""])
