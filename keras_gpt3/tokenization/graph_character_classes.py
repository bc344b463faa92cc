"""The classes of characters that GPT-2's splitting tells apart, in a graph.

TensorFlow's own regular expressions know an older Unicode than tiktoken's, so
the ranges are data, made from what tiktoken does.
"""

import functools
import importlib.resources
import json

import numpy as np

OTHER, LETTER, NUMBER, WHITESPACE, NOTHING = range(5)

# Stands after a text's last character, in a class of its own.
END_OF_TEXT = -1

_NAMES = {"letters": LETTER, "numbers": NUMBER, "whitespace": WHITESPACE}


def character_classes(code_points):
    """Looks up the class of every character."""
    import tensorflow as tf

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
    """Reads the ranges of letters, numbers and whitespace."""
    folder = importlib.resources.files("keras_gpt3.tokenization")
    return json.loads((folder / "character_classes.json").read_text("utf-8"))
