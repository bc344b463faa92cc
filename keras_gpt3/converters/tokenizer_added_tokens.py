"""Tokens that Hugging Face's tokenizers cut out of texts before all else."""

import itertools

from keras_gpt3.converters.tokenizer_json_object import damaged
from keras_gpt3.converters.tokenizer_json_object import foreign

# Each would take spaces or letters beside the token with it, or leave it be.
_MATCHING_FLAGS = ("lstrip", "rstrip", "single_word")


def token_content(path, name, token):
    """Reads a token that is written as a string or as an object.

    Args:
        path: path. The file, for errors.
        name: string. Where in the file, for errors.
        token: string or dict. An object has `content` and flags.

    Returns:
        A str.

    Raises:
        ValueError: If it is neither, or a flag is set that changes how the
            token is found in texts.

    Example:

    ```python
    from keras_gpt3.converters.tokenizer_added_tokens import token_content

    token = {"content": "</s>", "lstrip": False, "normalized": True}
    token_content("tokenizer_config.json", "eos_token", token)  # "</s>"
    ```
    """
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

    Args:
        path: path. The file, for errors.
        tokens: list of dicts with `content` and maybe `normalized`.

    Raises:
        ValueError: If two tokens overlap.

    Example:

    ```python
    from keras_gpt3.converters.tokenizer_added_tokens import check_one_pass

    tokens = [{"content": "<a>"}, {"content": "<b>", "normalized": True}]
    check_one_pass("tokenizer.json", tokens)
    ```
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
    """Adds tokens to a vocabulary.

    Args:
        vocabulary: dict. Token -> id.
        added_tokens: iterable of (path, token, id). Which may be there
            already, with the same id.

    Returns:
        A new dict.

    Raises:
        ValueError: If a token or an id is taken, or the ids of new tokens do
            not follow those of the vocabulary.

    Example:

    ```python
    from keras_gpt3.converters.tokenizer_added_tokens import add_tokens

    add_tokens({"a": 0}, [("added_tokens.json", "<pad>", 1)])
    ```
    """
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
