"""Tokens that Hugging Face's tokenizers cut out of texts before all else."""

import itertools

from keras_gpt3.converters.tokenizer_json_object import damaged
from keras_gpt3.converters.tokenizer_json_object import foreign

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
