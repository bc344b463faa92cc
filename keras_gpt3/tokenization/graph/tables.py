"""Lookup tables of byte-pair encoding that a SavedModel keeps as assets."""

import base64
import pathlib

import numpy as np
import tensorflow as tf

from keras_gpt3.argument_checks import echoed
from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS
from keras_gpt3.tokenization.vocabulary import MISSING_BYTE
from keras_gpt3.tokenization.vocabulary import byte_name

# What the table of tokens answers to ids outside it; no base64.
NO_TOKEN = "!"


def pair_table(rules, folder):
    """Build the table of what two neighbouring symbols merge to.

    Symbols are numbered in merge order: the bytes from 0 to 255, then the
    results of the rules.
    """
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
    """Build the table of what ids stand for."""
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
    """List the ids of the symbols, which are numbered in merge order.

    Of bytes that the vocabulary lacks it is -1.
    """
    tokens = [*BYTE_SYMBOLS, *(left + right for left, right in rules)]
    return np.array([vocabulary.get(token, -1) for token in tokens], "int32")


def _write_lines(folder, name, lines):
    """Write a new file of lines; return its path as a string."""
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


def check_decode_arguments(ids, lengths, errors):
    """Raise unless ids, lengths and errors fit together."""
    if errors not in (None, "replace", "ignore"):
        raise ValueError(
            "errors must be None, 'replace' or 'ignore'. Received: "
            f"errors={echoed(errors)}. Use None to keep the bytes as they are."
        )
    if ids.shape.rank != 2 or not ids.dtype.is_integer:
        raise ValueError(
            "ids must be an integer tensor of rank 2. Received: "
            f"ids.shape={ids.shape}, ids.dtype={ids.dtype.name}. "
            "Pass a batch of token ids."
        )
    if lengths is not None and isinstance(ids, tf.RaggedTensor):
        raise ValueError(
            "Ragged ids have lengths of their own. Received: "
            f"lengths={lengths}. Leave lengths out."
        )


def to_ragged(ids, lengths):
    """Take the first ids of each row, as many as its length says."""
    ids = assert_in_graph(
        ids,
        tf.size(lengths) == tf.shape(ids)[0],
        "lengths must have one entry for each row of ids. Received: ",
        tf.size(lengths),
        " of them. Count the ids of each row.",
    )
    width = tf.shape(ids, tf.int64)[1]
    wrong = tf.boolean_mask(lengths, (lengths < 0) | (lengths > width))
    ids = assert_in_graph(
        ids,
        tf.size(wrong) == 0,
        "Lengths must be from 0 to the width of ids. Received: length=",
        # The -1 stands in where there is none.
        tf.pad(wrong, [[0, 1]], constant_values=-1)[0],
        ". Count the ids of each row.",
    )
    return tf.RaggedTensor.from_tensor(ids, lengths=lengths)


def ids_of_symbols(symbols, symbol_ids):
    """Look up ids, and check that there are some."""
    ids = tf.gather(tf.constant(symbol_ids), symbols)
    if symbol_ids.min() >= 0:
        return ids
    missing = tf.boolean_mask(symbols, ids < 0)
    names = tf.constant([byte_name(byte) for byte in range(256)])
    before, after = MISSING_BYTE
    return assert_in_graph(
        ids,
        tf.size(missing) == 0,
        before,
        # The 0 stands in where there is none.
        tf.gather(names, tf.pad(missing, [[0, 1]])[0]),
        after,
    )


def join_tokens(ids, token_table, vocabulary_size):
    """Join the bytes that ids stand for."""
    spelled = token_table.lookup(ids.flat_values)
    unknown = tf.boolean_mask(ids.flat_values, spelled == NO_TOKEN)
    spelled = assert_in_graph(
        spelled,
        tf.size(unknown) == 0,
        "Token ids must be in the vocabulary, from 0 to "
        f"{vocabulary_size - 1}. Received: id=",
        # The -1 stands in where there is none.
        tf.pad(unknown, [[0, 1]], constant_values=-1)[0],
        ". Use the tokenizer that made the ids.",
    )
    return tf.strings.unsorted_segment_join(
        tf.io.decode_base64(spelled), ids.value_rowids(), ids.nrows()
    )
