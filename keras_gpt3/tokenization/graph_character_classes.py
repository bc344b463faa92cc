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
    """Looks up the class of every character.

    Args:
        code_points: int32 tensor. From 0 to 0x10FFFF, or `END_OF_TEXT`.

    Returns:
        A uint8 tensor of the same shape: `OTHER`, `LETTER`, `NUMBER` or
        `WHITESPACE`; `NOTHING` for `END_OF_TEXT`.

    Example:

    ```python
    import tensorflow as tf

    from keras_gpt3.tokenization.graph_character_classes import (
        character_classes,
    )

    character_classes(tf.constant([ord("a"), ord("1"), ord(" ")]))  # 1, 2, 3
    ```
    """
    import tensorflow as tf

    table = class_table()
    # All that is past the last range is of one class, as the last entry is.
    index = tf.minimum(code_points + 1, len(table) - 1)
    return tf.gather(tf.constant(table), index)


@functools.lru_cache(maxsize=1)
def class_table():
    """The class of each code point up to the first one past all ranges.

    Returns:
        A uint8 array. Entry `i` belongs to code point `i - 1`, so the first
        one to `END_OF_TEXT`. Not to be written to.

    Example:

    ```python
    from keras_gpt3.tokenization.graph_character_classes import class_table

    class_table()[1 + ord("a")]  # 1, a letter
    ```
    """
    ranges = read_character_ranges()
    last = max(ranges[name][-1][1] for name in _NAMES)
    table = np.full(last + 3, OTHER, "uint8")
    table[1 + END_OF_TEXT] = NOTHING
    for name, character_class in _NAMES.items():
        for first, last in ranges[name]:
            table[1 + first : 2 + last] = character_class
    return table


def read_character_ranges():
    """Reads the ranges of letters, numbers and whitespace.

    Returns:
        A dict from `"letters"`, `"numbers"` and `"whitespace"` to lists of
        pairs, the first and the last code point of each range, in order; and
        from `"made_with"` to tiktoken's version.

    Example:

    ```python
    from keras_gpt3.tokenization.graph_character_classes import (
        read_character_ranges,
    )

    read_character_ranges()["letters"][0]  # [65, 90], A to Z
    ```
    """
    folder = importlib.resources.files("keras_gpt3.tokenization")
    return json.loads((folder / "character_classes.json").read_text("utf-8"))
