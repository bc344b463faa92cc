import re

import pytest

from keras_gpt3.converters.checkpoint_families import FAMILIES
from keras_gpt3.converters.checkpoint_family import CheckpointFamily
from keras_gpt3.converters.complete_arguments import comparable_arguments
from tests.converters.small_configs import SMALLEST
from tests.converters.small_configs import without

GPT2 = FAMILIES["gpt2"]
DENSE = GPT2.backbone_arguments(SMALLEST["gpt2"])
OPT_ARGUMENTS = FAMILIES["opt"].backbone_arguments(SMALLEST["opt"])

each_family = pytest.mark.parametrize("model_type", FAMILIES)


@each_family
def test_what_a_family_writes_it_reads_again(model_type):
    family = FAMILIES[model_type]
    arguments = family.backbone_arguments(SMALLEST[model_type])
    again = family.backbone_arguments(family.config(arguments))
    assert comparable_arguments(again) == comparable_arguments(arguments)
    assert family.obstacles(arguments) == []


@pytest.mark.parametrize(
    ("model_type", "more"),
    [
        ("gpt2", {"scale_attn_weights": False, "activation_function": "silu"}),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True, "n_inner": 7}),
        ("gpt_neo", {"attention_types": [[["local"] + 3 * ["global"], 1]]}),
        ("opt", {"do_layer_norm_before": False, "word_embed_proj_dim": 10}),
        ("opt", {"_remove_final_layer_norm": True, "enable_bias": False}),
        ("opt", {"layer_norm_elementwise_affine": False}),
    ],
)
def test_every_switch_that_is_read_is_written(model_type, more):
    family, config = FAMILIES[model_type], SMALLEST[model_type] | more
    written = family.config(family.backbone_arguments(config))
    assert {key: written[key] for key in more} == more


@each_family
def test_each_size_must_be_there(model_type):
    family = FAMILIES[model_type]
    for key in family.renamed_keys.values():
        if key.kind != "size":
            continue
        config = without(SMALLEST[model_type], key.name)
        message = f"config.json must hold {key.name}. Received: keys="
        with pytest.raises(ValueError, match=re.escape(message)):
            family.backbone_arguments(config)


@each_family
def test_a_config_says_what_transformers_needs(model_type):
    family = FAMILIES[model_type]
    arguments = family.backbone_arguments(SMALLEST[model_type])
    config = family.config(arguments, dtype="bfloat16", eos_token_id=5)
    assert config["model_type"] == model_type
    assert config["architectures"] == [family.architecture]
    assert config["torch_dtype"] == "bfloat16"
    assert config["eos_token_id"] == 5
    # Their defaults are ids of the families' own vocabularies.
    assert config["bos_token_id"] is None
    assert config["pad_token_id"] is None


@pytest.mark.parametrize(
    ("family", "changes", "obstacle"),
    [
        ("gpt2", {"use_bias": False}, "use_bias=False"),
        ("gpt2", {"attention_scale": 0.5}, "attention_scale=0.5"),
        ("gpt2", {"norm_first": False}, "norm_first=False"),
        ("gpt2", {"position_offset": 2}, "position_offset=2"),
        ("gpt2", {"embedding_dim": 8}, "embedding_dim=8"),
        (
            "gpt2",
            {"attention_pattern": ["banded"], "attention_window": 5},
            "attention_pattern=['banded']",
        ),
        (
            "gpt_neo",
            {"attention_scale": 1.0},
            "query_key_value_bias=True",
        ),
        ("gpt2", {"something_new": 3}, "something_new=3"),
    ],
)
def test_what_a_family_cannot_express_is_named(family, changes, obstacle):
    family = FAMILIES[family]
    arguments = DENSE | changes
    assert family.obstacles(arguments) == [obstacle]
    message = (
        "A backbone must be one that transformers' "
        f"{family.architecture} can compute. Received: {obstacle}. Save it "
        "with save_to_preset."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        family.config(arguments)


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon=1e-06"),
        ({"norm_first": False}, "use_final_norm=True"),
        ({"query_key_value_bias": False}, "query_key_value_bias=False"),
    ],
)
def test_opt_s_own_limits_are_named(changes, obstacle):
    assert FAMILIES["opt"].obstacles(OPT_ARGUMENTS | changes) == [obstacle]


def test_the_files_of_the_families_say_how_switches_are_read():
    family = CheckpointFamily()
    with pytest.raises(NotImplementedError):
        family.read_switches({}, {})
    with pytest.raises(NotImplementedError):
        family.write_switches({})
