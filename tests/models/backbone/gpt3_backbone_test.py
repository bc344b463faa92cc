import itertools
import json
import math
import re

import keras
import numpy as np
import pytest

from keras_gpt3 import GPT3Backbone
from keras_gpt3.planning import count_parameters
from tests.small_gpt3 import SMALL
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch


def values(backbone):
    return [v.numpy() for v in backbone.variables]


def hidden_states(backbone, inputs, **kwargs):
    return keras.ops.convert_to_numpy(backbone(inputs, **kwargs))


def logits(backbone, inputs):
    hidden = backbone(inputs)
    return keras.ops.convert_to_numpy(backbone.logits(hidden))


# === Initialization ===

# Section 2.1 and OpenAI's GPT-2: the deviation of each kind of weight. Three
# layers, so that no two of the numbers are equal.
RESIDUAL = 0.02 / math.sqrt(2 * 3)
DEVIATIONS = {
    "token_embedding/embeddings": 0.02,
    "position_embedding/table/embeddings": 0.01,
    "query_key_value/kernel": 0.02,
    "attention_output/kernel": RESIDUAL,
    "feed_forward_intermediate/kernel": 0.02,
    "feed_forward_output/kernel": RESIDUAL,
}
CONSTANTS = {"bias": 0.0, "beta": 0.0, "gamma": 1.0}


def test_every_weight_starts_as_the_paper_says():
    backbone = GPT3Backbone(
        vocabulary_size=2000,
        num_layers=3,
        num_heads=2,
        hidden_dim=128,
        intermediate_dim=512,
        max_sequence_length=512,
    )
    measured = set()
    for variable in backbone.variables:
        kind = re.sub(r"^.*decoder_block_\d+/", "", variable.path)
        value = variable.numpy().astype("float64")
        if kind.split("/")[-1] in CONSTANTS:
            assert set(value.flat) == {CONSTANTS[kind.split("/")[-1]]}
            continue
        measured.add(kind)
        # Five standard errors; at most 2.8% for the smallest kernel.
        deviation, size = DEVIATIONS[kind], value.size
        error = 5 / math.sqrt(2 * size)
        assert value.std() == pytest.approx(deviation, rel=error), kind
        assert abs(value.mean()) < 5 * deviation / math.sqrt(size), kind
        # A truncated normal has nothing out here, a normal has 0.3%.
        assert (abs(value) > 3 * deviation).mean() > 0.001, kind
    assert measured == set(DEVIATIONS)


def test_no_two_kernels_start_alike():
    kernels = [v for v in small_backbone().variables if "kernel" in v.path]
    assert len(kernels) == 8
    for one, other in itertools.combinations(kernels, 2):
        if one.shape == other.shape:
            assert not np.array_equal(one.numpy(), other.numpy())


# === Config ===


def test_a_backbone_is_rebuilt_from_its_config():
    config = SMALL | {
        "dropout": 0.25,
        "attention_pattern": ("banded", "dense", "dense"),
        "layer_norm_epsilon": 1e-3,
        "activation": "relu",
        "name": "mine",
    }
    backbone = GPT3Backbone(**config)
    received = json.loads(json.dumps(backbone.get_config()))
    copy = GPT3Backbone.from_config(received)
    assert copy.get_config() == backbone.get_config()
    for name, value in config.items():
        assert getattr(copy, name) == value
    assert [v.shape for v in copy.variables] == [
        v.shape for v in backbone.variables
    ]


def test_a_backbone_survives_keras_serialization():
    backbone = small_backbone(dtype="mixed_bfloat16")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(backbone)
    )
    assert type(copy) is GPT3Backbone
    assert copy.get_config() == backbone.get_config()
    assert copy.dtype_policy.name == "mixed_bfloat16"


def test_the_default_is_gpt_3_small():
    parameters = GPT3Backbone.__init__.__defaults__
    assert parameters[:5] == (50257, 12, 12, 768, 3072)
    assert parameters[6:10] == (2048, ("dense", "banded"), 256, 1e-5)


@pytest.mark.parametrize(
    "overrides", [{}, {"num_layers": 3, "intermediate_dim": 20}]
)
def test_the_parameters_are_those_that_planning_counts(overrides):
    backbone = small_backbone(**overrides)
    expected = sum(count_parameters(backbone.get_config()).values())
    assert backbone.count_params() == expected


@pytest.mark.parametrize(
    "pattern, expected",
    [
        (("dense", "banded"), "dense banded dense banded dense"),
        (["banded", "dense", "dense"], "banded dense dense banded dense"),
        (("dense",), "dense dense dense dense dense"),
    ],
)
def test_the_attention_pattern_repeats_over_the_depth(pattern, expected):
    backbone = small_backbone(num_layers=5, attention_pattern=pattern)
    kinds = [block.attention for block in backbone.decoder_blocks]
    assert kinds == expected.split()


# === Forward pass ===


@pytest.mark.parametrize("eager", [True, False], ids=["eager", "functional"])
def test_a_sequence_longer_than_the_context_raises(eager):
    message = (
        "A sequence must not be longer than max_sequence_length=12. Received: "
        "length=13. Shorten it, or build the model with a larger "
        "max_sequence_length."
    )
    ids = (
        np.ones((1, 13), "int32")
        if eager
        else keras.Input((13,), dtype="int32")
    )
    mask = ids > 0 if eager else keras.Input((13,), dtype="bool")
    with pytest.raises(ValueError, match=re.escape(message)):
        small_backbone()({"token_ids": ids, "padding_mask": mask})


def test_the_window_and_the_layers_bound_what_a_position_sees():
    backbone = small_backbone(
        num_layers=1, attention_pattern=("banded",), attention_window=3
    )
    inputs, _ = small_batch(rows=1)
    before = hidden_states(backbone, inputs)
    changed = inputs["token_ids"].copy()
    changed[0, 2] += 1
    after = hidden_states(backbone, inputs | {"token_ids": changed})
    differs = (before != after).any(axis=(0, 2))
    np.testing.assert_array_equal(differs, [0, 0, 1, 1, 1, 0, 0, 0])


def test_padding_does_not_reach_the_tokens():
    backbone = small_backbone()
    inputs, _ = small_batch()
    inputs["padding_mask"][:, 5:] = False
    before = hidden_states(backbone, inputs)
    inputs["token_ids"][:, 5:] = 7
    after = hidden_states(backbone, inputs)
    np.testing.assert_array_equal(before[:, :5], after[:, :5])


def test_dropout_acts_in_training_only():
    backbone = small_backbone(dropout=0.5)
    inputs, _ = small_batch()
    resting = [hidden_states(backbone, inputs) for _ in range(2)]
    trained = [hidden_states(backbone, inputs, training=True) for _ in "ab"]
    np.testing.assert_array_equal(*resting)
    assert not np.array_equal(*trained)
    assert not np.array_equal(resting[0], trained[0])


def test_without_dropout_training_changes_nothing():
    backbone = small_backbone()
    inputs, _ = small_batch()
    np.testing.assert_array_equal(
        hidden_states(backbone, inputs),
        hidden_states(backbone, inputs, training=True),
    )


def test_dropout_reaches_the_embeddings_and_both_branches():
    backbone = small_backbone(dropout=0.125)
    layers = backbone._flatten_layers()
    rates = [x.rate for x in layers if isinstance(x, keras.layers.Dropout)]
    assert rates == [0.125] * (1 + backbone.num_layers)


def test_mixed_precision_keeps_float32_variables_and_computes_in_bfloat16():
    backbone = small_backbone(dtype="mixed_bfloat16")
    inputs, _ = small_batch()
    assert {v.dtype for v in backbone.variables} == {"float32"}
    hidden = backbone(inputs)
    assert keras.backend.standardize_dtype(hidden.dtype) == "bfloat16"
    logits = backbone.logits(hidden)
    assert keras.backend.standardize_dtype(logits.dtype) == "bfloat16"
    assert backbone.make_cache(1, 2)[0][0].dtype == hidden.dtype
    full = small_backbone()
    full.set_weights(values(backbone))
    # Hidden states are near 1 after the last norm; bfloat16 has 8 bits.
    np.testing.assert_allclose(
        keras.ops.cast(hidden, "float32"), full(inputs), atol=0.05
    )


def test_pure_bfloat16_has_bfloat16_variables():
    backbone = small_backbone(dtype="bfloat16")
    assert {v.dtype for v in backbone.variables} == {"bfloat16"}
    hidden = backbone(small_batch()[0])
    assert keras.backend.standardize_dtype(hidden.dtype) == "bfloat16"


# === Quantization ===


@pytest.mark.parametrize("weights_only", [False, True])
def test_quantization_reaches_every_kernel_and_table(weights_only):
    config = keras.quantizers.Int8QuantizationConfig
    config = config(activation_quantizer=None) if weights_only else config()
    backbone = small_backbone()
    inputs, _ = small_batch()
    before = logits(backbone, inputs)
    after = logits(quantize(backbone, config=config), inputs)
    # Eight bits of weights whose products are near 0.1.
    np.testing.assert_allclose(before, after, atol=0.01)
    assert not np.array_equal(before, after)
    matrices = [
        v
        for v in backbone.variables
        if v.path.endswith(("/kernel", "/embeddings"))
    ]
    assert len(matrices) == 2 + 2 * 4
    assert {v.dtype for v in matrices} == {"int8"}


def test_a_quantized_backbone_survives_saving(tmp_path):
    backbone = quantize(small_backbone(num_layers=1), mode="int8")
    backbone.save(tmp_path / "backbone.keras")
    copy = keras.saving.load_model(tmp_path / "backbone.keras")
    for one, other in zip(values(backbone), values(copy), strict=True):
        np.testing.assert_array_equal(one, other)
    inputs, _ = small_batch()
    np.testing.assert_array_equal(
        logits(backbone, inputs), logits(copy, inputs)
    )


def test_inputs_are_a_dict_of_ids_and_mask():
    hidden = hidden_states(small_backbone(), as_inputs(np.ones((2, 3), int)))
    assert hidden.shape == (2, 3, 16)
    assert hidden.dtype == "float32"
