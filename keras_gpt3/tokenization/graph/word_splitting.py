r"""GPT-2's splitting of texts into words, without a regular expression.

TensorFlow's have no look-ahead. The pattern

    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+
    |\s+(?!\S)|\s+

says where words start in terms of each character and three neighbours: at the
start of each run of a class, but a run takes the plain space before it along,
so the last whitespace of a run is cut off from the others; and a contraction
takes the one or two letters after its apostrophe.
"""

import functools
import importlib.resources
import json

import numpy as np
import tensorflow as tf

_SPACE = ord(" ")
_APOSTROPHE = ord("'")
_SHORT_CONTRACTIONS = "stmd"
_LONG_CONTRACTIONS = ("re", "ve", "ll")


def split_words(texts):
    """Split texts into words."""
    code_points = tf.strings.unicode_decode(texts, "UTF-8")
    starts = word_starts(code_points)
    text_bytes = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)
    # In UTF-8 every byte but 0b10xxxxxx starts a character.
    character_starts = tf.where(text_bytes & 0xC0 != 0x80)[:, 0]
    splits = tf.concat(
        [
            tf.boolean_mask(character_starts, starts.flat_values),
            tf.size(text_bytes, tf.int64)[tf.newaxis],
        ],
        axis=0,
    )
    words = tf.RaggedTensor.from_row_splits(
        tf.cast(text_bytes, tf.int32), splits, validate=False
    )
    return words, tf.reduce_sum(tf.cast(starts, tf.int64), axis=1)


def word_starts(code_points):
    """Return which characters start a word."""
    ends = tf.fill([code_points.nrows(), 1], END_OF_TEXT)
    ended = tf.concat([code_points, ends], axis=1)
    # One before the first, and two past the last, whose neighbours they are.
    padded = tf.pad(ended.flat_values, [[1, 2]], constant_values=END_OF_TEXT)
    classes = character_classes(padded)
    starts = _run_starts(padded, classes)
    short, long = _contractions(padded, classes)
    starts &= ~_moved(short | long, 1)
    starts |= _moved(short, 2) | _moved(long, 3)
    return ended.with_flat_values(starts)[:, :-1]


def _run_starts(padded, classes):
    """Where words start, contractions aside."""
    before, here, after = classes[:-3], classes[1:-2], classes[2:-1]
    starts_run = here != before
    ends_whitespace = (after != WHITESPACE) & (after != NOTHING)
    return tf.where(
        here == WHITESPACE,
        starts_run | ends_whitespace,
        starts_run & (padded[:-3] != _SPACE),
    )


def _contractions(padded, classes):
    """Apostrophes that take one letter along, and those that take two."""
    before, here = padded[:-3], padded[1:-2]
    after, second = padded[2:-1], padded[3:]
    # Elsewhere the apostrophe belongs to the run, or to the space, before it.
    starts_word = (before != _SPACE) & (classes[:-3] != OTHER)
    apostrophe = (here == _APOSTROPHE) & starts_word
    short = tf.zeros_like(apostrophe)
    for letter in _SHORT_CONTRACTIONS:
        short |= after == ord(letter)
    long = tf.zeros_like(apostrophe)
    for first, last in _LONG_CONTRACTIONS:
        long |= (after == ord(first)) & (second == ord(last))
    return apostrophe & short, apostrophe & long


def _moved(flags, steps):
    """Flag that many characters further on."""
    return tf.pad(flags, [[steps, 0]])[: tf.size(flags)]


# The classes of characters that GPT-2's splitting distinguishes, in a graph.
#
# TensorFlow's own regular expressions know an older Unicode than tiktoken's, so
# the ranges are data, made from what tiktoken does.


OTHER, LETTER, NUMBER, WHITESPACE, NOTHING = range(5)

# Stands after a text's last character, in a class of its own.
END_OF_TEXT = -1

_NAMES = {"letters": LETTER, "numbers": NUMBER, "whitespace": WHITESPACE}


def character_classes(code_points):
    """Look up the class of every character."""
    table = class_table()
    # All that is past the last range is of one class, as the last entry is.
    index = tf.minimum(code_points + 1, len(table) - 1)
    return tf.gather(tf.constant(table), index)


@functools.lru_cache(maxsize=1)
def class_table():
    """The class of each code point up to the first one past all ranges."""
    ranges = read_character_ranges()
    last = max(ranges[name][-1][1] for name in _NAMES)
    table = np.full(last + 3, OTHER, "uint8")
    table[1 + END_OF_TEXT] = NOTHING
    for name, character_class in _NAMES.items():
        for first, last in ranges[name]:
            table[1 + first : 2 + last] = character_class
    return table


def read_character_ranges():
    """Read the ranges of letters, numbers and whitespace."""
    folder = importlib.resources.files("keras_gpt3.tokenization")
    return json.loads((folder / "character_classes.json").read_text("utf-8"))
