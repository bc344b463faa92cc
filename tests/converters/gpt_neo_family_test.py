import re

import pytest

from keras_gpt3.converters.checkpoint_families import GPTNeoFamily
from tests.converters import published_configs
from tests.converters.small_configs import GPT_NEO
from tests.converters.small_configs import without

FAMILY = GPTNeoFamily()


def read(**more):
    return FAMILY.backbone_arguments(GPT_NEO | more)


def test_gpt_neo_is_read_with_its_scale_and_bands():
    arguments = FAMILY.backbone_arguments(published_configs.GPT_NEO_125M)
    assert arguments["attention_pattern"] == ["dense", "banded"]
    assert arguments["attention_window"] == 256
    assert arguments["attention_scale"] == 1.0
    assert arguments["query_key_value_bias"] is False
    assert arguments["use_bias"] is True
    assert arguments["intermediate_dim"] == 3072
    assert arguments["activation"] == "gelu_approximate"
    assert arguments["dropout"] == 0


@pytest.mark.parametrize(
    ("key", "value", "argument", "expected"),
    [
        ("intermediate_size", 50, "intermediate_dim", 50),
        ("window_size", 9, "attention_window", 9),
        ("attention_types", [[["global"], 4]], "attention_pattern", ["dense"]),
        ("activation_function", "gelu", "activation", "gelu"),
        ("resid_dropout", 0.2, "dropout", 0.2),
        ("layer_norm_epsilon", 1e-3, "layer_norm_epsilon", 1e-3),
    ],
)
def test_each_switch_becomes_an_argument(key, value, argument, expected):
    changed = read(**{key: value})
    assert changed[argument] == expected
    assert changed | {argument: read()[argument]} == read()


def test_layers_without_types_are_read():
    config = without(GPT_NEO, "attention_types")
    layers = ["global", "local", "global", "local"]
    config["attention_layers"] = layers
    assert FAMILY.backbone_arguments(config) == read()


def test_a_local_layer_needs_a_window():
    message = (
        "config.json must hold window_size where layers are local. Received: "
        "window_size=None. Add window_size with the value of the model."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        FAMILY.backbone_arguments(without(GPT_NEO, "window_size"))


def test_global_layers_need_none():
    config = without(GPT_NEO, "window_size")
    config["attention_types"] = [[["global"], 4]]
    arguments = FAMILY.backbone_arguments(config)
    assert arguments["attention_pattern"] == ["dense"]
    assert arguments["attention_window"] == 256


def test_queries_keys_and_values_are_joined_and_have_no_bias():
    rules = {rule.ours: rule for rule in FAMILY.weight_rules(read())}
    kernel = rules["decoder_block_3/query_key_value/kernel"]
    assert kernel.theirs == tuple(
        f"h.3.attn.attention.{name}_proj.weight" for name in "qkv"
    )
    assert kernel.transposed
    assert kernel.num_heads == 3
    assert kernel.shape_of_theirs == (24, 24)
    assert "decoder_block_3/query_key_value/bias" not in rules
    wide = rules["decoder_block_0/feed_forward_intermediate/kernel"]
    assert wide.shape_of_theirs == (96, 24)


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("h.0.attn.attention.bias", True),
        ("h.0.attn.attention.masked_bias", True),
        ("h.0.attn.attention.out_proj.bias", False),
        ("h.0.attn.attention.q_proj.bias", False),
    ],
)
def test_masks_are_ignored_and_weights_are_not(name, ignored):
    assert FAMILY.is_ignored(name) is ignored
