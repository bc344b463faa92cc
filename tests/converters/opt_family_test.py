import re

import pytest

from keras_gpt3.converters.checkpoint_families import OPTFamily
from tests.converters import published_configs
from tests.converters.small_configs import OPT

FAMILY = OPTFamily()


def read(**more):
    return FAMILY.backbone_arguments(OPT | more)


def test_opt_is_read_with_its_positions_and_epsilon():
    arguments = FAMILY.backbone_arguments(published_configs.OPT_125M)
    assert arguments["position_offset"] == 2
    assert arguments["skip_padding_positions"] is True
    assert arguments["layer_norm_epsilon"] == 1e-5
    assert arguments["activation"] == "relu"
    assert arguments["embedding_dim"] is None
    assert arguments["use_final_norm"] is True


def test_opt_350m_is_read_with_projections_and_no_final_norm():
    arguments = FAMILY.backbone_arguments(published_configs.OPT_350M)
    assert arguments["embedding_dim"] == 512
    assert arguments["hidden_dim"] == 1024
    assert arguments["norm_first"] is False
    assert arguments["use_final_norm"] is False


def test_galactica_is_read_where_it_is_an_opt():
    arguments = FAMILY.backbone_arguments(published_configs.GALACTICA)
    assert arguments["activation"] == "gelu"
    message = (
        "scale_embeddings in config.json must be false. Received: "
        "scale_embeddings=True. "
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        read(scale_embeddings=True)


@pytest.mark.parametrize(
    ("key", "value", "argument", "expected"),
    [
        ("word_embed_proj_dim", 10, "embedding_dim", 10),
        ("word_embed_proj_dim", 24, "embedding_dim", None),
        ("_remove_final_layer_norm", True, "use_final_norm", False),
        ("enable_bias", False, "use_bias", False),
        ("layer_norm_elementwise_affine", False, "layer_norm_affine", False),
        ("activation_function", "gelu", "activation", "gelu"),
        ("dropout", 0.3, "dropout", 0.3),
    ],
)
def test_each_switch_becomes_an_argument(key, value, argument, expected):
    changed = read(**{key: value})
    assert changed[argument] == expected
    assert changed | {argument: read()[argument]} == read()


def test_norms_behind_the_layers_leave_no_final_one():
    changed = read(do_layer_norm_before=False)
    both = {"norm_first": False, "use_final_norm": False}
    assert changed == read() | both


def test_an_epsilon_is_no_key_of_opt():
    message = "Received: layer_norm_epsilon=1e-06 (model_type='opt')."
    with pytest.raises(ValueError, match=re.escape(message)):
        read(layer_norm_epsilon=1e-6)


def test_three_biases_become_one():
    rules = {rule.path: rule for rule in FAMILY.weight_rules(read())}
    bias = rules["decoder_block_0/query_key_value/bias"]
    assert bias.tensor_names == tuple(
        f"layers.0.self_attn.{name}_proj.bias" for name in "qkv"
    )
    assert bias.tensor_shape == (24,)
    assert bias.num_heads == 3
    assert not bias.transposed


def test_projections_and_positions_have_opt_s_shapes():
    arguments = read(word_embed_proj_dim=10)
    rules = {rule.path: rule for rule in FAMILY.weight_rules(arguments)}
    into = rules["embedding_projection/kernel"]
    assert into.tensor_names == ("project_in.weight",)
    assert into.tensor_shape == (24, 10)
    out = rules["output_projection/kernel"]
    assert out.tensor_names == ("project_out.weight",)
    assert out.tensor_shape == (10, 24)
    table = rules["position_embedding/table/embeddings"]
    assert table.tensor_shape == (82, 24)


def test_only_the_version_of_fairseq_is_ignored():
    assert FAMILY.is_ignored("version")
    assert not FAMILY.is_ignored("layers.0.version")
    assert not FAMILY.is_ignored("layers.0.self_attn.out_proj.bias")
