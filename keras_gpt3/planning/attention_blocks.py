"""How blocked attention cuts the scores: sizes that memory and time follow.

The same numbers as in `keras_gpt3.ops.blocked_attention`, which this folder
cannot import without Keras; a test compares them.
"""

import functools

DENSE_BLOCK = 256
BANDED_BLOCK = 128


def attention_windows(config):
    """The window of each layer of a backbone."""
    # `GPT3Backbone`'s defaults.
    pattern = config.get("attention_pattern", ("dense", "banded"))
    window = config.get("attention_window", 256)
    return tuple(
        None if pattern[layer % len(pattern)] == "dense" else window
        for layer in range(config["num_layers"])
    )


@functools.cache
def key_ranges(length, window=None):
    """The queries and keys of each block."""
    dense = window is None or window >= length
    size = DENSE_BLOCK if dense else BANDED_BLOCK
    ranges = []
    for start in range(0, length, size):
        end = min(start + size, length)
        first = 0 if dense else max(0, start - window + 1)
        ranges.append((end - start, end - first))
    return tuple(ranges)


def largest_block(length, window=None):
    """The most scores that a block has, for one head of one sequence."""
    return max(queries * keys for queries, keys in key_ranges(length, window))


def num_scores(length, window=None):
    """All scores that are computed, for one head of one sequence."""
    return sum(queries * keys for queries, keys in key_ranges(length, window))
