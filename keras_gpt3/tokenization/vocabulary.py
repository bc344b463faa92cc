"""Vocabularies of byte-pair encoding: reading and checking them."""

import json

from keras_gpt3.echoed_value import echoed
from keras_gpt3.tokenization.byte_alphabet import BYTE_SYMBOLS
from keras_gpt3.tokenization.byte_alphabet import symbols_to_bytes


def read_vocabulary(vocabulary):
    """Reads a vocabulary from a dict or from a JSON file's content."""
    if not isinstance(vocabulary, dict):
        vocabulary = _parse(vocabulary)
    if len(set(vocabulary.values())) < len(vocabulary) or not all(
        type(id) is int and id >= 0 for id in vocabulary.values()
    ):
        raise ValueError(
            "A vocabulary's ids must be distinct integers of at least 0. "
            f"Received: {_bad_entry(vocabulary)}. Renumber the tokens."
        )
    return dict(vocabulary)


def _parse(text):
    """Parses a JSON object."""
    try:
        parsed = json.loads(text)
    except (TypeError, json.JSONDecodeError):
        parsed = None
    if not isinstance(parsed, dict):
        raise ValueError(
            "A vocabulary must be a dict or a file with one JSON object, token "
            f"to id. Received: {text!r:.50}. Pass the path of an encoder.json."
        )
    return parsed


def _bad_entry(vocabulary):
    """Describes the first id that is no natural number or comes again."""
    seen = {}
    for token, id in vocabulary.items():
        if type(id) is not int or id < 0:
            return f"{token!r}: {id!r}"
        if id in seen:
            return f"id={id} of both {seen[id]!r} and {token!r}"
        seen[id] = token


def check_vocabulary(vocabulary, special_tokens):
    """Checks that a vocabulary can spell every text."""
    missing = [s for s in BYTE_SYMBOLS if s not in vocabulary]
    if missing:
        raise ValueError(
            "A vocabulary must hold all 256 bytes in GPT-2's byte alphabet. "
            f"Received: {256 - len(missing)} of them, {echoed(missing[0])} "
            f"(byte {BYTE_SYMBOLS.index(missing[0])}) is missing. Add the "
            "bytes."
        )
    for token in special_tokens:
        if token not in vocabulary:
            raise ValueError(
                "Special tokens must be in the vocabulary. Received: "
                f"special_tokens={echoed(tuple(special_tokens))}, "
                f"{echoed(token)} is missing. Add it to `vocabulary`."
            )


def spell_tokens(vocabulary, special_tokens):
    """Maps each id to the bytes that it decodes to."""
    try:
        spelled = {
            id: token.encode()
            if token in special_tokens
            else symbols_to_bytes(token)
            for token, id in vocabulary.items()
        }
    except KeyError as error:
        raise ValueError(
            "Tokens must be spelled in GPT-2's byte alphabet (a space is "
            f"'Ġ'). Received: a token with {echoed(error.args[0])}. Respell "
            "it, or list it in `special_tokens`."
        ) from None
    return spelled
