import re

import pytest

from keras_gpt3.converters.checkpoint_families import read_attention_pattern
from keras_gpt3.converters.checkpoint_families import write_attention_types

IN_TURN = [[["global", "local"], 2]]


@pytest.mark.parametrize(
    ("types", "num_layers", "pattern"),
    [
        (IN_TURN, 4, ["dense", "banded"]),
        ([[["global"], 3]], 3, ["dense"]),
        ([[["global"], 1], [["local"], 2]], 3, ["dense", "banded", "banded"]),
        ([[["local"], 1], [["global", "local"], 1]], 3, ["banded", "dense"]),
    ],
)
def test_types_are_read_and_written_as_the_same_layers(
    types, num_layers, pattern
):
    assert read_attention_pattern(types, None, num_layers) == pattern
    written = write_attention_types(
        {"attention_pattern": pattern, "num_layers": num_layers}
    )
    assert read_attention_pattern(written, None, num_layers) == pattern


def test_a_pattern_that_fits_the_depth_is_written_short():
    arguments = {"attention_pattern": ("dense", "banded"), "num_layers": 4}
    assert write_attention_types(arguments) == IN_TURN
    assert write_attention_types(arguments | {"num_layers": 3}) == [
        [["global", "local", "global"], 1]
    ]


def test_a_list_of_layers_is_read_too():
    layers = ["global", "local"]
    assert read_attention_pattern(None, layers, 2) == ["dense", "banded"]
    assert read_attention_pattern(IN_TURN, layers * 2, 4)


def test_the_two_spellings_must_agree():
    message = (
        "attention_types and attention_layers in config.json must agree. "
        "Received: attention_types=[[['global', 'local'], 2]], "
        "attention_layers=['global']. Remove the wrong one."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_attention_pattern(IN_TURN, ["global"], 4)


def test_one_of_them_must_be_there():
    message = "config.json must hold attention_types. Received: "
    with pytest.raises(ValueError, match=re.escape(message)):
        read_attention_pattern(None, None, 4)


@pytest.mark.parametrize(
    "types",
    [["global"], [["global", 2]], [[["global"], 2, 3]], [[["global"], True]]],
)
def test_types_of_another_form_raise(types):
    message = (
        "attention_types in config.json must be pairs of a list of names and "
        f"a number of repetitions. Received: attention_types={types!r}. "
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        read_attention_pattern(types, None, 2)


@pytest.mark.parametrize("layer", ["sparse", ["local"], None])
def test_a_layer_of_another_kind_is_named(layer):
    message = (
        "A layer in attention_types must be 'global' or 'local'. Received: "
        f"{layer!r}. Other layers cannot be converted."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        read_attention_pattern(None, ["global", layer], 2)


@pytest.mark.parametrize(
    ("types", "layers", "number"),
    [
        (IN_TURN, None, 4),
        (None, ["global"], 1),
        # Too many to be written out.
        ([[["global"], 10**15]], None, 10**15),
    ],
)
def test_there_must_be_a_layer_for_each(types, layers, number):
    message = (
        "attention_types in config.json must give num_layers layers. Received: "
        f"{number} layers, num_layers=5. Correct the one that is wrong."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_attention_pattern(types, layers, 5)
