"""A language model of five lines, and its continuation in a plain loop."""

import numpy as np
from keras import ops

VOCABULARY_SIZE = 5
TABLE = np.random.default_rng(3).normal(size=(101, VOCABULARY_SIZE))
# Rows of unequal length; what stands behind a prompt is garbage on purpose.
PROMPTS = ([1], [2, 0, 3, 4, 1], [4, 4, 0])
LENGTH = 12


def slow_logits(tokens):
    """Scores of the next token, from the whole history and its order."""
    history = sum((i + 1) * (t + 1) for i, t in enumerate(tokens))
    return TABLE[history % len(TABLE)]


def slow_continuation(prompt, stop_token_ids=()):
    """Greedy, up to `LENGTH` tokens or the first stop token generated."""
    tokens = list(prompt)
    while len(tokens) < LENGTH:
        tokens.append(int(np.argmax(slow_logits(tokens))))
        if tokens[-1] in stop_token_ids:
            break
    return tokens


def next_logits(token_ids, cache, index):
    """The same scores, from one token a row and a cache of the earlier."""
    positions = ops.arange(LENGTH)
    previous = ops.take(token_ids, [index - 1], axis=1)
    cache = ops.where(positions == index - 1, previous, cache)
    seen = ops.where(positions < index, cache + 1, 0)
    rows = ops.sum((positions + 1) * seen, axis=-1) % len(TABLE)
    return ops.take(ops.cast(TABLE, "float32"), rows, axis=0), cache


def padded_prompts():
    """The prompts as int and bool arrays of shape `(3, LENGTH)`."""
    generator = np.random.default_rng(0)
    shape = (len(PROMPTS), LENGTH)
    token_ids = generator.integers(0, VOCABULARY_SIZE, shape, dtype="int32")
    mask = np.zeros(shape, "bool")
    for row, prompt in enumerate(PROMPTS):
        token_ids[row, : len(prompt)] = prompt
        mask[row, : len(prompt)] = True
    return token_ids, mask
