"""Keras' own test of a layer, run on each of the package's.

It builds by the shapes' names, calls with symbols and arrays, trains a step,
and calls again in mixed precision.
"""

import pytest
from keras.src.testing import TestCase

from keras_gpt3 import layers

BATCH, LENGTH, WIDTH = 2, 6, 8
HIDDEN = (BATCH, LENGTH, WIDTH)
ROWS = (BATCH, LENGTH)
BLOCK = {"num_heads": 2, "intermediate_dim": 16}
BANDED = BLOCK | {"attention": "banded", "attention_window": 3}
POSITIONS = {"max_sequence_length": LENGTH, "hidden_dim": WIDTH}
# Keras makes no bools, but takes integers for them.
MASKED = {
    "hidden_states_shape": "float32",
    "padding_mask_shape": "int32",
}
SEGMENTED = MASKED | {"segment_ids_shape": "int32"}
PADDED = {"token_ids_shape": "int32", "padding_mask_shape": "int32"}
STARTED = {"token_ids_shape": "int32", "start_index_shape": "int32"}

CASES = {
    "dense": ("DecoderBlock", BLOCK, "float32", HIDDEN, 12),
    "banded": ("DecoderBlock", BANDED, "float32", HIDDEN, 12),
    "dropout": (
        "DecoderBlock",
        BLOCK | {"dropout": 0.1},
        "float32",
        HIDDEN,
        12,
    ),
    "masked": ("DecoderBlock", BLOCK, MASKED, HIDDEN, 12),
    "segments": ("DecoderBlock", BANDED, SEGMENTED, HIDDEN, 12),
    "norm": ("LayerNorm", {}, "float32", HIDDEN, 2),
    "plain_norm": (
        "LayerNorm",
        {"scale": False, "center": False},
        "float32",
        HIDDEN,
        0,
    ),
    "positions": ("PositionEmbedding", POSITIONS, "int32", (LENGTH, WIDTH), 1),
    "padding": (
        "PositionEmbedding",
        POSITIONS | {"offset": 1, "skip_padding": True},
        PADDED,
        HIDDEN,
        1,
    ),
    "starts": ("PositionEmbedding", POSITIONS, STARTED, HIDDEN, 1),
}


def shape_of(name):
    if name == "hidden_states_shape":
        return HIDDEN
    return (BATCH,) if name == "start_index_shape" else ROWS


# Keras warns of the generator that its test trains on.
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_keras_accepts_the_layer(name):
    cls, arguments, dtype, output_shape, num_weights = CASES[name]
    several = isinstance(dtype, dict)
    rate = arguments.get("dropout", 0)
    shape = ROWS if dtype == "int32" else HIDDEN
    TestCase("run_layer_test").run_layer_test(
        getattr(layers, cls),
        arguments,
        input_shape={n: shape_of(n) for n in dtype} if several else shape,
        input_dtype=dtype,
        expected_output_shape=output_shape,
        expected_num_trainable_weights=num_weights,
        expected_num_non_trainable_weights=0,
        expected_num_seed_generators=int(rate > 0),
        expected_num_losses=0,
        # Its model for training passes on one input alone.
        run_training_check=num_weights > 0 and not several,
    )


def test_every_exported_layer_is_tried():
    assert {cls for cls, *_ in CASES.values()} == set(layers.__all__)
