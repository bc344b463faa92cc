import re

import pytest

from keras_gpt3.converters.checkpoint_family import read_config_values
from keras_gpt3.converters.complete_arguments import ConfigKey

KEYS = [ConfigKey("n_layer", "size"), ConfigKey("scaled", "flag", True)]


def read(**more):
    return read_config_values(
        {"n_layer": 2} | more,
        KEYS,
        harmless={"embd_pdrop"},
        required={"learned": True},
    )


def test_only_the_keys_that_are_used_come_back():
    more = {"embd_pdrop": 0.1, "learned": True, "use_cache": False}
    assert read(**more) == {"n_layer": 2, "scaled": True}


def test_an_unknown_key_is_named_with_its_value():
    message = (
        "Every key of config.json must be known. Received: rotary_pct=0.25 "
        "(model_type='gpt2'). Remove rotary_pct from config.json if it does "
        "not change what the model computes."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read(model_type="gpt2", rotary_pct=0.25)


@pytest.mark.parametrize(
    ("name", "value", "asked"),
    [
        ("add_cross_attention", True, "false"),
        ("add_cross_attention", None, "false"),
        ("is_encoder_decoder", True, "false"),
        ("tie_word_embeddings", False, "true"),
        ("tie_word_embeddings", 1, "true"),
        ("learned", False, "true"),
        ("pruned_heads", {"0": [1]}, "empty or not there"),
        ("quantization_config", {"bits": 4}, "empty or not there"),
        ("auto_map", {"AutoModel": "own.Own"}, "empty or not there"),
        ("per_layer_config", {"0": {}}, "empty or not there"),
    ],
)
def test_a_value_that_changes_the_arithmetic_is_named(name, value, asked):
    message = (
        f"{name} in config.json must be {asked}. Received: {name}={value!r}. "
        "Such a model computes something else and cannot be converted."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read(**{name: value})


@pytest.mark.parametrize("nothing", [None, {}, []])
def test_nothing_may_be_said_in_three_ways(nothing):
    assert read(pruned_heads=nothing)
