"""The switches of GPT-3's relatives, against plain numpy."""

import re

import numpy as np
import pytest

from keras_gpt3 import GPT3
from tests.fixtures.numpy_forward import numpy_forward
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone

# === Backbone layers ===


TABLE = "position_embedding/table/embeddings"
NAMES = {TABLE: "position_embedding/embeddings"}
LENGTH = 11
GPT_NEO = {"attention_scale": 1.0, "query_key_value_bias": False}
OPT_350M = {
    "activation": "relu",
    "attention_pattern": ("dense",),
    "embedding_dim": 6,
    "norm_first": False,
    "use_final_norm": False,
    "position_offset": 2,
    "skip_padding_positions": True,
}
PLAIN = {"use_bias": False, "layer_norm_affine": False, "activation": "silu"}
SCALED = {"scale_by_inverse_layer_index": True, "layer_norm_epsilon": 1e-3}

all_relatives = pytest.mark.parametrize(
    "switches", [GPT_NEO, OPT_350M, PLAIN, SCALED, SCALED | GPT_NEO]
)


def randomized(**switches):
    """A backbone whose every weight shows, a token in each row of ids."""
    backbone = small_backbone(**switches)
    generator = np.random.default_rng(3)
    for weight in backbone.weights:
        weight.assign(weight + generator.normal(size=weight.shape, scale=0.3))
    ids = generator.integers(0, backbone.vocabulary_size, (2, LENGTH))
    return backbone, ids.astype("int32")


@all_relatives
def test_logits_equal_plain_numpy(switches):
    backbone, ids = randomized(**switches)
    arrays = {NAMES.get(w.path, w.path): np.array(w) for w in backbone.weights}
    exact = numpy_forward(arrays, backbone.get_config(), ids)
    # float32 rounding of values up to 20.
    np.testing.assert_allclose(
        GPT3(backbone)(as_inputs(ids)), exact, atol=3e-5, rtol=0
    )


@all_relatives
def test_a_cache_changes_nothing(switches):
    backbone, ids = randomized(**switches)
    whole = np.asarray(backbone(as_inputs(ids)))
    states, cache = backbone.prefill(ids[:, :5], cache_length=LENGTH)
    parts = [states]
    for start, end in ((5, 6), (6, LENGTH)):
        states, cache = backbone.call_with_cache(
            ids[:, start:end], cache, start
        )
        parts.append(states)
    # float32 rounding of values up to 20.
    np.testing.assert_allclose(
        np.concatenate(parts, axis=1), whole, atol=2e-5, rtol=0
    )


def test_padding_on_the_left_changes_nothing_where_positions_skip_it():
    backbone, ids = randomized(**OPT_350M)
    padded = np.pad(ids[:, :8], ((0, 0), (3, 0)), constant_values=1)
    mask = np.arange(LENGTH)[None] >= np.array([[3], [3]])
    states = backbone({"token_ids": padded, "padding_mask": mask})
    alone = backbone(as_inputs(ids[:, :8]))
    np.testing.assert_allclose(states[:, 3:], alone, atol=2e-5, rtol=0)


@all_relatives
def test_the_config_makes_an_equal_backbone(switches):
    backbone = small_backbone(**switches)
    config = backbone.get_config()
    again = type(backbone).from_config(config)
    assert again.get_config() == config
    assert [w.shape for w in again.weights] == [
        w.shape for w in backbone.weights
    ]


def test_an_embedding_as_wide_as_the_model_needs_no_projection():
    backbone = small_backbone(embedding_dim=16)
    assert backbone.embedding_projection is None
    assert backbone.output_projection is None


# === Backbone arguments ===


SIZES = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
)


@pytest.mark.parametrize(
    "overrides, message",
    [
        *(
            (
                {name: value},
                f"{name} must be an integer of at least 1. Received: "
                f"{name}={value!r}. Pass 1 or more.",
            )
            for name in SIZES
            for value in (0, -2, 2.5, None)
        ),
        (
            {"num_heads": 3},
            "num_heads must divide hidden_dim. Received: num_heads=3, "
            "hidden_dim=16. Choose a width that is a multiple of the number "
            "of heads.",
        ),
        (
            {"attention_window": 0},
            "attention_window must be an integer of at least 1. Received: "
            "attention_window=0. Use dense attention to see every earlier "
            "key.",
        ),
        (
            {"attention_pattern": ("dense", "sparse")},
            "attention_pattern must be a sequence of ('dense', 'banded'). "
            "Received: attention_pattern=('dense', 'sparse'). Use ('dense', "
            "'banded') as the paper, or ('dense',) for GPT-2.",
        ),
        (
            {"attention_scale": 0.0},
            "attention_scale must be above 0. Received: attention_scale=0.0. "
            "Use None for 1 / sqrt(head_dim).",
        ),
        (
            {"embedding_dim": -4},
            "embedding_dim must be an integer of at least 1. Received: "
            "embedding_dim=-4. Pass 1 or more.",
        ),
        (
            {"position_offset": 0, "skip_padding_positions": True},
            "position_offset must be an integer of at least 1. Received: "
            "position_offset=0. Pass 1 or more.",
        ),
        ({"attention_pattern": ()}, "Received: attention_pattern=(). Use "),
        (
            {"attention_pattern": "dense"},
            "Received: attention_pattern='dense'.",
        ),
        ({"attention_pattern": 5}, "Received: attention_pattern=5. Use "),
        ({"attention_pattern": [["dense"]]}, "attention_pattern=[['dense']]."),
        (
            {"num_layers": 10**6},
            "num_layers must be at most 2048. Received: num_layers=1000000. "
            "Use fewer and wider layers.",
        ),
        (
            {"dropout": "x"},
            "dropout must be a number from 0 to 1. Received: dropout='x'. Use",
        ),
        ({"dropout": float("nan")}, "Received: dropout=nan. Use the paper's"),
        (
            {"layer_norm_epsilon": 10**400},
            f"Received: layer_norm_epsilon=1{'0' * 199}. Use the paper's",
        ),
        (
            {"use_bias": "x"},
            "use_bias must be True or False. Received: use_bias='x'. Use True, "
            "as GPT-3.",
        ),
        (
            {"activation": ["relu"]},
            "activation must be a name. Received: activation=['relu']. Use",
        ),
        ({"attention_scale": "a"}, "Received: attention_scale='a'. Use None"),
        (
            {"activation": "swish"},
            "Received: activation='swish'. Use 'gelu_approximate', as GPT-3.",
        ),
    ],
)
def test_arguments_that_make_no_sense_raise(overrides, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        small_backbone(**overrides)
    assert "\n" not in str(error.value)
