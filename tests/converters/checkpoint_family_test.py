import math
import re

import numpy as np
import pytest

from keras_gpt3.converters.checkpoint_families import FAMILIES
from keras_gpt3.converters.checkpoint_family import CheckpointFamily
from keras_gpt3.converters.checkpoint_family import checkpoint_activation
from keras_gpt3.converters.checkpoint_family import comparable_arguments
from keras_gpt3.converters.checkpoint_family import keras_activation
from keras_gpt3.converters.checkpoint_family import read_config_values
from keras_gpt3.converters.config_key import ConfigKey
from keras_gpt3.ops.activations import get_activation
from tests.converters.small_configs import SMALLEST
from tests.converters.small_configs import without

# === Checkpoint family ===


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


# === Activation names ===


def tanh_gelu(x):
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + np.tanh(inner))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def exact_gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


# As transformers defines them.
DEFINITIONS = {
    "gelu_new": tanh_gelu,
    "gelu_pytorch_tanh": tanh_gelu,
    "gelu_python_tanh": tanh_gelu,
    "gelu_accurate": tanh_gelu,
    "gelu_fast": lambda x: (
        0.5 * x * (1 + np.tanh(x * 0.7978845608 * (1 + 0.044715 * x * x)))
    ),
    "gelu": exact_gelu,
    "gelu_python": exact_gelu,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * sigmoid(x),
    "swish": lambda x: x * sigmoid(x),
    "tanh": np.tanh,
    "quick_gelu": lambda x: x * sigmoid(1.702 * x),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_each_name_is_the_function_that_transformers_means(name):
    x = np.linspace(-5, 5, 101)
    y = get_activation(keras_activation(name))(x.astype("float32"))
    # float32 rounding of values up to 25.
    np.testing.assert_allclose(y, DEFINITIONS[name](x), atol=2e-6, rtol=1e-6)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_what_is_written_is_read_as_the_same_function(name):
    read = keras_activation(name)
    assert keras_activation(checkpoint_activation(read)) == read


def test_gelu_approximate_is_written_as_gpt2_calls_it():
    assert checkpoint_activation("gelu_approximate") == "gelu_new"


@pytest.mark.parametrize("name", ["gelu_10", "mish", "GELU", ""])
def test_an_unknown_activation_is_named_with_those_known(name):
    message = (
        f"activation_function must be one of {sorted(DEFINITIONS)}. Received: "
        f"activation_function={name!r}. Convert a checkpoint with one of these."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        keras_activation(name)


def test_an_activation_without_a_name_in_checkpoints_raises():
    message = "Received: activation='mish'. Export a model with one of these."
    with pytest.raises(ValueError, match=re.escape(message)):
        checkpoint_activation("mish")


# === Config values ===


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
