"""A checkpoint's vocab.json and merges.txt."""

from keras_gpt3.converters.tokenizer_json_object import damaged
from keras_gpt3.converters.tokenizer_json_object import read_json_object
from keras_gpt3.tokenization.byte_alphabet import BYTE_SYMBOLS
from keras_gpt3.tokenization.merge_rules import read_merge_rules
from keras_gpt3.tokenization.vocabulary import read_vocabulary

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
