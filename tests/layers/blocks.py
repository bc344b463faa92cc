"""Small decoder blocks for tests."""

import numpy as np

from keras_gpt3.layers import DecoderBlock

WINDOW = 4
# Beyond three windows.
LENGTH = 3 * WINDOW + 2


def make_hidden_states():
    generator = np.random.default_rng(0)
    return generator.normal(size=(2, LENGTH, 12)).astype("float32")


def make_block(attention, **arguments):
    return DecoderBlock(
        num_heads=3,
        intermediate_dim=20,
        attention=attention,
        attention_window=WINDOW,
        **arguments,
    )


def randomized(block, hidden_states):
    """Larger weights than at the start, so that errors show."""
    block(hidden_states)
    generator = np.random.default_rng(1)
    for weight in block.weights:
        weight.assign(weight + generator.normal(size=weight.shape, scale=0.3))
    return block
