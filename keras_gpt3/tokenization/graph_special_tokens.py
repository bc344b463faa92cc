"""Special tokens in texts, found inside a graph."""

import re

# No valid UTF-8 holds this byte.
_MARK = b"\xff"


def encode_around(texts, special_ids, encode):
    """Encodes texts in which special tokens stand.

    As tiktoken does: the first special token from the left counts, and what
    lies between two of them is encoded as a text of its own. Of two that begin
    at one place the longer one counts, which tiktoken leaves open.
    """
    import tensorflow as tf

    longest_first = sorted(special_ids, key=len, reverse=True)
    pieces = split_at(texts, longest_first)
    places = tf.ragged.range(pieces.row_lengths()).flat_values
    is_special = places % 2 == 1
    strings = pieces.flat_values
    ids = encode(tf.where(is_special, "", strings))
    which = tf.argmax(strings[:, tf.newaxis] == longest_first, axis=1)
    special = tf.gather([special_ids[t] for t in longest_first], which)
    special = tf.RaggedTensor.from_row_lengths(
        tf.boolean_mask(special, is_special),
        tf.cast(is_special, tf.int64),
        validate=False,
    )
    return pieces.with_flat_values(
        tf.concat([ids, special], axis=1)
    ).merge_dims(1, 2)


def split_at(texts, tokens):
    """Cuts texts before and behind each of some tokens."""
    import tensorflow as tf

    pattern = "|".join(map(re.escape, tokens))
    marked = tf.strings.regex_replace(
        texts, f"({pattern})", _MARK + rb"\1" + _MARK
    )
    return tf.strings.split(marked, sep=_MARK)
