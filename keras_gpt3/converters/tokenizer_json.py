"""Hugging Face's tokenizer.json, which must hold GPT-2's encoding.

The tokenizers library reads and writes the file; GPT-2's settings, and ids
that it would change in silence, are checked here.
"""

import itertools
import json
from dataclasses import dataclass

import tokenizers  # keras-hub loads it as well.

from keras_gpt3.argument_checks import echoed
from keras_gpt3.converters.sharded_index import read_json
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS
from keras_gpt3.tokenization.vocabulary import read_merge_rules
from keras_gpt3.tokenization.vocabulary import read_vocabulary

# The settings that change ids, and the values that GPT-2's encoding has. An
# unknown token, say, never comes up where all bytes are known.
_SETTINGS = {
    "model": {
        "type": ("BPE",),
        "dropout": (None, 0),
        "continuing_subword_prefix": (None, ""),
        "end_of_word_suffix": (None, ""),
        "byte_fallback": (False,),
        "ignore_merges": (False,),
    },
    "pre_tokenizer": {
        "type": ("ByteLevel",),
        "add_prefix_space": (False,),
        "use_regex": (True,),
    },
    "decoder": {"type": ("ByteLevel",)},
}


@dataclass(frozen=True)
class TokenizerJson:
    """What a tokenizer.json says."""

    vocabulary: dict
    merges: list
    added_tokens: list
    start_token: str | None


def read_tokenizer_json(path):
    """Read a tokenizer.json that must hold GPT-2's byte-level encoding."""
    content = read_json_object(path)
    if content is None:
        return None
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # A Rust panic is not an `Exception`.
        raise damaged(path, str(error)) from None
    _check_settings(path, content, tokenizer)
    # As they stand: the library would number tokens anew.
    added = content.get("added_tokens") or []
    for token in added:
        token_content(path, "a token of added_tokens", token)
    check_one_pass(path, added)
    added_tokens = [(path, token["content"], token["id"]) for token in added]
    start = read_start_token(path, _state(tokenizer.post_processor))
    if start is not None:
        added_tokens.append((path, *start))
    rules = content["model"]["merges"]
    return TokenizerJson(
        vocabulary=check_tokens(path, content["model"]["vocab"]),
        merges=[x if isinstance(x, str) else " ".join(x) for x in rules],
        added_tokens=added_tokens,
        start_token=start and start[0],
    )


def _state(part):
    """A part as the library would write it, with all that was left out."""
    return part and json.loads(part.__getstate__())


def _check_settings(path, content, tokenizer):
    """Raise at a setting that is unknown, or has another value."""
    if tokenizer.normalizer is not None:
        raise foreign(path, "normalizer", content["normalizer"])
    model = tokenizer.model  # Its state holds the vocabulary.
    names = ("unk_token", "fuse_unk", *_SETTINGS["model"])
    known = {name: getattr(model, name, None) for name in names}
    known |= {"type": type(model).__name__, "vocab": None, "merges": None}
    for part, settings in _SETTINGS.items():
        if part != "model":
            known = _state(getattr(tokenizer, part))
        if known is None:
            raise foreign(path, part, None)
        for name, allowed in settings.items():
            if known.get(name) not in allowed:
                raise foreign(path, f"{part}.{name}", known.get(name))
        # The library passes over what it does not know.
        for name in content[part].keys() - known.keys():
            raise foreign(path, f"{part}.{name}", content[part][name])


def tokenizer_json(files):
    """Write a tokenizer as the text of a tokenizer.json."""
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            files.vocabulary,
            [tuple(rule.split(" ")) for rule in files.merges],
            continuing_subword_prefix="",
            end_of_word_suffix="",
        )
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
        add_prefix_space=False
    )
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.post_processor = tokenizers.processors.ByteLevel(
        add_prefix_space=False, trim_offsets=False
    )
    start, ids = files.start_token, files.vocabulary
    if files.add_start_token:
        # Pieces of their own: a string would be split at spaces and colons.
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single=[start, "$A"],
            pair=[start, "$A", f"{start}:1", "$B:1"],
            special_tokens=[(start, ids[start])],
        )
    tokenizer.add_special_tokens(
        [
            tokenizers.AddedToken(token, normalized=False)
            for token in sorted(files.special_tokens, key=ids.__getitem__)
        ]
    )
    return tokenizer.to_str()


def read_start_token(path, processor):
    """Read which token, if any, a post-processor puts before a text."""
    kind = processor and processor["type"]
    if kind in (None, "ByteLevel"):  # The latter moves offsets only.
        return None
    if kind == "Sequence":
        parts = [read_start_token(path, p) for p in processor["processors"]]
        starts = [start for start in parts if start is not None]
        if len(starts) < 2:
            return starts[0] if starts else None
    if kind == "TemplateProcessing":
        return _read_template(path, processor)
    raise foreign(path, "post_processor", processor)


def _read_template(path, processor):
    """Read the token before the text of a template, which may be all."""
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
    except (KeyError, ValueError):
        is_known = False
    if not is_known:
        raise foreign(path, "post_processor.single", processor["single"])
    return start[0] if start else None


def read_json_object(path):
    """Read a file that holds one JSON object."""
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
    """Make the error for a tokenizer's file that cannot be read."""
    reason = " ".join(reason.split())
    return ValueError(
        "A tokenizer's file must be whole and in its format. Received: "
        f"file={echoed(str(path))} ({reason.rstrip('.')}). Download it again."
    )


def foreign(path, name, value, remedy="Use the tokenizer of a GPT-2"):
    """Make the error for a setting that GPT-2's tokenizer does not have."""
    return ValueError(
        "A checkpoint's tokenizer must split and join texts as GPT-2's does. "
        f"Received: file={echoed(str(path))}, {name}={value!r:.80}. {remedy}, "
        "or pass preprocessor=None and work on token ids."
    )


# Each would take spaces or letters beside the token with it, or leave it be.
_MATCHING_FLAGS = ("lstrip", "rstrip", "single_word")


def token_content(path, name, token):
    """Read a token that is written as a string or as an object."""
    flags = token if isinstance(token, dict) else {}
    content = flags.get("content") if token is flags else token
    if not isinstance(content, str) or not content:
        raise damaged(path, f"{name}={token!r:.80}")
    for flag in _MATCHING_FLAGS:
        if flags.get(flag, False) is not False:
            raise foreign(path, f"{flag} of {content!r}", flags[flag])
    return content


def check_one_pass(path, tokens):
    """Raise unless one pass over a text finds what Hugging Face's two find.

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
    """Add tokens to a vocabulary."""
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
    """Raise at a hole before a new id: transformers would close it unseen."""
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
    """Read a `vocab.json`."""
    tokens = read_json_object(path)
    return None if tokens is None else check_tokens(path, tokens)


def check_tokens(path, tokens):
    """Check that ids are distinct natural numbers."""
    try:
        return read_vocabulary(tokens)
    except (TypeError, ValueError) as error:
        raise damaged(path, str(error)) from None


def read_merges(path):
    """Read a `merges.txt`."""
    try:
        rules = read_merge_rules(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise damaged(path, str(error)) from None
    return [f"{left} {right}" for left, right in rules]


def check_merges(path, merges, vocabulary, special_tokens=()):
    """Check that merges and vocabulary belong together, and are whole.

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
    """Write merge rules as a `merges.txt` has them."""
    # GPT-2's own reader drops the first line unseen.
    return "\n".join(["#version: 0.2", *merges, ""])
