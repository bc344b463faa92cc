import pytest

from keras_gpt3.converters.checkpoint_families import GPT2Family
from tests.converters import published_configs
from tests.converters.small_configs import GPT2

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
    rules = {rule.ours: rule for rule in FAMILY.weight_rules(read())}
    kernel = rules["decoder_block_1/query_key_value/kernel"]
    assert kernel.theirs == ("h.1.attn.c_attn.weight",)
    assert kernel.shape_of_theirs == (24, 72)
    assert kernel.num_heads == 3
    assert rules["decoder_block_1/query_key_value/bias"].num_heads == 3
    assert rules["decoder_block_1/attention_output/kernel"].num_heads == 1
    assert rules["final_norm/beta"].theirs == ("ln_f.bias",)


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
