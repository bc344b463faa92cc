"""The switches of GPT-3's relatives, against plain numpy."""

import numpy as np
import pytest

from keras_gpt3 import GPT3
from tests.fixtures.numpy_forward import numpy_forward
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone

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
