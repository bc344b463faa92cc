import re

import pytest

from keras_gpt3.converters.checkpoint_families import FAMILIES
from keras_gpt3.converters.checkpoint_families import GPT2Family
from keras_gpt3.converters.checkpoint_families import GPTNeoFamily
from keras_gpt3.converters.checkpoint_families import family_for
from keras_gpt3.converters.checkpoint_families import family_of
from keras_gpt3.converters.checkpoint_families import read_attention_pattern
from keras_gpt3.converters.checkpoint_families import write_attention_types
from keras_gpt3.converters.folded_attention import folded_arguments
from keras_gpt3.preset_loader import load_shipped_preset
from tests.converters import published_configs
from tests.converters.small_configs import GPT2
from tests.converters.small_configs import GPT_NEO
from tests.converters.small_configs import SMALLEST
from tests.converters.small_configs import without

# === Checkpoint families ===


GPT3 = load_shipped_preset("gpt3_small_en")["backbone"]


@pytest.mark.parametrize("model_type", ["gpt2", "gpt_neo", "opt"])
def test_a_config_names_its_family_and_a_backbone_finds_it(model_type):
    config = SMALLEST[model_type]
    family = family_of(config)
    assert family.model_type == model_type
    arguments = family.backbone_arguments(config)
    assert family_for(arguments) == (family, arguments)


@pytest.mark.parametrize("model_type", ["llama", "GPT2", None, ["gpt2"]])
def test_a_config_of_another_family_is_named(model_type):
    message = (
        "model_type in config.json must be one of ['gpt2', 'gpt_neo', 'opt']. "
        f"Received: model_type={model_type!r}. Only these have the shape of "
        "GPT-3."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        family_of({"model_type": model_type})


def test_bands_that_see_the_whole_context_are_gpt2():
    context = GPT3["max_sequence_length"]
    arguments = GPT3 | {"attention_window": context}
    assert family_for(arguments)[0] is FAMILIES["gpt2"]


def test_gpt3_is_written_as_a_gpt_neo_with_folded_weights():
    family, arguments = family_for(GPT3)
    assert family is FAMILIES["gpt_neo"]
    assert arguments == folded_arguments(GPT3)
    config = family.config(arguments)
    assert config["attention_types"] == [[["global", "local"], 6]]
    assert config["window_size"] == 256


def test_what_stands_in_every_family_s_way_is_said():
    message = (
        "A backbone must be one that a class of transformers can compute. "
        "Received: gpt2 has no attention_pattern=['dense', 'banded'] or "
        "norm_first=False; gpt_neo has no norm_first=False; opt has no "
        "attention_pattern=['dense', 'banded'] or use_final_norm=True or "
        "position_offset=0 or skip_padding_positions=False. Save it with "
        "save_to_preset."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        family_for(GPT3 | {"norm_first": False})


# === Attention types ===


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


# === Gpt2 family ===


FAMILY = GPT2Family()


def read(**more):
    return FAMILY.backbone_arguments(GPT2 | more)


def test_gpt2_is_read_with_every_argument():
    assert FAMILY.backbone_arguments(published_configs.GPT2) == {
        "vocabulary_size": 50257,
        "num_layers": 12,
        "num_heads": 12,
        "hidden_dim": 768,
        "intermediate_dim": 3072,
        "dropout": 0.1,
        "max_sequence_length": 1024,
        "attention_pattern": ["dense"],
        "attention_window": 256,
        "layer_norm_epsilon": 1e-5,
        "activation": "gelu_approximate",
        "embedding_dim": None,
        "use_bias": True,
        "query_key_value_bias": True,
        "norm_first": True,
        "use_final_norm": True,
        "layer_norm_affine": True,
        "attention_scale": None,
        "scale_by_inverse_layer_index": False,
        "position_offset": 0,
        "skip_padding_positions": False,
    }


def test_an_old_config_that_left_nothing_out_is_read():
    distilled = published_configs.DISTILGPT2
    assert FAMILY.backbone_arguments(distilled)["num_layers"] == 6


def test_cerebras_gpt_is_read_with_its_own_activation():
    config = published_configs.CEREBRAS_GPT_256M
    arguments = FAMILY.backbone_arguments(config)
    assert arguments["activation"] == "gelu"
    assert arguments["hidden_dim"] == 1088
    assert arguments["num_heads"] == 17
    assert arguments["intermediate_dim"] == 4352


@pytest.mark.parametrize(
    ("key", "value", "argument", "expected"),
    [
        ("n_inner", 50, "intermediate_dim", 50),
        ("n_inner", None, "intermediate_dim", 96),
        ("layer_norm_epsilon", 1e-3, "layer_norm_epsilon", 1e-3),
        ("resid_pdrop", 0, "dropout", 0),
        ("scale_attn_weights", False, "attention_scale", 1.0),
        (
            "scale_attn_by_inverse_layer_idx",
            True,
            "scale_by_inverse_layer_index",
            True,
        ),
        ("activation_function", "relu", "activation", "relu"),
    ],
)
def test_each_switch_becomes_an_argument(key, value, argument, expected):
    changed = read(**{key: value})
    assert changed[argument] == expected
    assert changed | {argument: read()[argument]} == read()


def test_the_order_of_a_product_in_float32_makes_no_difference():
    assert read(reorder_and_upcast_attn=True) == read()


def test_other_names_of_the_sizes_are_read():
    renamed = {
        "model_type": "gpt2",
        "vocab_size": 53,
        "max_position_embeddings": 80,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
    }
    assert FAMILY.backbone_arguments(renamed) == read()


def test_the_fused_kernel_is_one_tensor_in_another_order():
    rules = {rule.path: rule for rule in FAMILY.weight_rules(read())}
    kernel = rules["decoder_block_1/query_key_value/kernel"]
    assert kernel.tensor_names == ("h.1.attn.c_attn.weight",)
    assert kernel.tensor_shape == (24, 72)
    assert kernel.num_heads == 3
    assert rules["decoder_block_1/query_key_value/bias"].num_heads == 3
    assert rules["decoder_block_1/attention_output/kernel"].num_heads == 1
    assert rules["final_norm/beta"].tensor_names == ("ln_f.bias",)


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("h.0.attn.bias", True),
        ("h.11.attn.masked_bias", True),
        ("h.0.attn.c_attn.bias", False),
        ("h.0.attn.c_proj.bias", False),
        ("h.x.attn.bias", False),
        ("h.0.attn.bias.weight", False),
        ("wte.bias", False),
    ],
)
def test_masks_are_ignored_and_weights_are_not(name, ignored):
    assert FAMILY.is_ignored(name) is ignored


# === Gpt neo family ===


NEO_FAMILY = GPTNeoFamily()


def read_gpt_neo(**more):
    return NEO_FAMILY.backbone_arguments(GPT_NEO | more)


def test_gpt_neo_is_read_with_its_scale_and_bands():
    arguments = NEO_FAMILY.backbone_arguments(published_configs.GPT_NEO_125M)
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
def test_each_switch_of_gpt_neo_becomes_an_argument(
    key, value, argument, expected
):
    changed = read_gpt_neo(**{key: value})
    assert changed[argument] == expected
    assert changed | {argument: read_gpt_neo()[argument]} == read_gpt_neo()


def test_layers_without_types_are_read():
    config = without(GPT_NEO, "attention_types")
    layers = ["global", "local", "global", "local"]
    config["attention_layers"] = layers
    assert NEO_FAMILY.backbone_arguments(config) == read_gpt_neo()


def test_a_local_layer_needs_a_window():
    message = (
        "config.json must hold window_size where layers are local. Received: "
        "window_size=None. Add window_size with the value of the model."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        NEO_FAMILY.backbone_arguments(without(GPT_NEO, "window_size"))


def test_global_layers_need_none():
    config = without(GPT_NEO, "window_size")
    config["attention_types"] = [[["global"], 4]]
    arguments = NEO_FAMILY.backbone_arguments(config)
    assert arguments["attention_pattern"] == ["dense"]
    assert arguments["attention_window"] == 256


def test_queries_keys_and_values_are_joined_and_have_no_bias():
    rules = {
        rule.path: rule for rule in NEO_FAMILY.weight_rules(read_gpt_neo())
    }
    kernel = rules["decoder_block_3/query_key_value/kernel"]
    assert kernel.tensor_names == tuple(
        f"h.3.attn.attention.{name}_proj.weight" for name in "qkv"
    )
    assert kernel.transposed
    assert kernel.num_heads == 3
    assert kernel.tensor_shape == (24, 24)
    assert "decoder_block_3/query_key_value/bias" not in rules
    wide = rules["decoder_block_0/feed_forward_intermediate/kernel"]
    assert wide.tensor_shape == (96, 24)


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("h.0.attn.attention.bias", True),
        ("h.0.attn.attention.masked_bias", True),
        ("h.0.attn.attention.out_proj.bias", False),
        ("h.0.attn.attention.q_proj.bias", False),
    ],
)
def test_masks_of_gpt_neo_are_ignored_and_weights_are_not(name, ignored):
    assert NEO_FAMILY.is_ignored(name) is ignored
