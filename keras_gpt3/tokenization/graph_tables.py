"""Lookup tables of byte-pair encoding that a SavedModel keeps as assets."""

import base64
import pathlib

import numpy as np

from keras_gpt3.echoed_value import echoed
from keras_gpt3.tokenization.byte_alphabet import BYTE_SYMBOLS

# What the table of tokens answers to ids outside it; no base64.
NO_TOKEN = "!"


def pair_table(rules, folder):
    """Builds the table of what two neighbouring symbols merge to.

    Symbols are numbered in merge order: the bytes from 0 to 255, then the
    results of the rules.
    """
    import tensorflow as tf

    tokens = [*BYTE_SYMBOLS, *(left + right for left, right in rules)]
    symbols = {token: symbol for symbol, token in enumerate(tokens)}
    lines = [
        symbols[left] * len(tokens) + symbols[right] for left, right in rules
    ]
    # A table must not be empty. No pair has the key of this line.
    return tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            _write_lines(folder, "merge_pairs.txt", [-2, *lines]),
            key_dtype=tf.int64,
            key_index=0,
            value_dtype=tf.int64,
            value_index=tf.lookup.TextFileIndex.LINE_NUMBER,
            value_index_offset=len(BYTE_SYMBOLS) - 1,
        ),
        default_value=len(tokens),
    )


def token_table(id_to_bytes, folder):
    """Builds the table of what ids stand for."""
    import tensorflow as tf

    lines = [
        f"{id}\t{base64.urlsafe_b64encode(text).decode()}"
        for id, text in id_to_bytes.items()
    ]
    return tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            _write_lines(folder, "token_bytes.txt", lines),
            key_dtype=tf.int64,
            key_index=0,
            value_dtype=tf.string,
            value_index=1,
        ),
        default_value=NO_TOKEN,
    )


def symbol_ids(vocabulary, rules):
    """Lists the ids of the symbols, which are numbered in merge order."""
    tokens = [*BYTE_SYMBOLS, *(left + right for left, right in rules)]
    return np.array([vocabulary[token] for token in tokens], "int32")


def _write_lines(folder, name, lines):
    """Writes a new file of lines; returns its path as a string."""
    path = pathlib.Path(folder).absolute() / name
    if path.exists():
        raise ValueError(
            "A table must have a file of its own, as TensorFlow takes tables "
            "of one path for one table. Received: "
            f"folder={echoed(str(folder))}, which holds {name}. Pass an empty "
            "folder."
        )
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return str(path)
