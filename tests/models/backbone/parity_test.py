"""The whole model against transformers and against plain numpy."""

import functools
import json
import pathlib

import numpy as np
import pytest

import keras_gpt3
from tests.fixtures.numpy_forward import numpy_forward

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
PROMPT_LENGTH = 8
# The fixtures name the position table without the layer that wraps it.
TABLE = "position_embedding/table/embeddings"
NAMES = {TABLE: "position_embedding/embeddings"}

both_fixtures = pytest.mark.parametrize("name", ["gpt2", "gpt_neo"])


@functools.cache
def load_fixture(name):
    """The arrays of a fixture and a model with its weights."""
    arrays = dict(np.load(FIXTURES / f"{name}.npz"))
    backbone = keras_gpt3.GPT3Backbone(**json.loads(str(arrays["config"])))
    for weight in backbone.weights:
        weight.assign(arrays[NAMES.get(weight.path, weight.path)])
    return arrays, keras_gpt3.GPT3(backbone)


def forward(model, token_ids):
    mask = np.ones_like(token_ids, "bool")
    return np.asarray(model({"token_ids": token_ids, "padding_mask": mask}))


@both_fixtures
def test_logits_equal_those_of_transformers(name):
    arrays, model = load_fixture(name)
    logits = forward(model, arrays["token_ids"])
    # Transformers' own float32 is up to 2.4e-6 away from its float64.
    np.testing.assert_allclose(
        logits, arrays["logits_float64"], atol=1e-5, rtol=0
    )


@both_fixtures
def test_greedy_tokens_equal_those_of_transformers(name):
    arrays, model = load_fixture(name)
    model.compile(sampler="greedy")
    prompt = arrays["token_ids"][:, :PROMPT_LENGTH]
    answer = model.generate(
        {
            "token_ids": prompt,
            "padding_mask": np.ones_like(prompt, "bool"),
        },
        max_length=arrays["greedy_ids"].shape[1],
    )
    np.testing.assert_array_equal(answer["token_ids"], arrays["greedy_ids"])
    assert answer["padding_mask"].all()


def test_the_window_of_gpt_neo_is_crossed():
    """Without its band the same weights give other logits."""
    arrays, model = load_fixture("gpt_neo")
    config = json.loads(str(arrays["config"]))
    assert config["attention_window"] < PROMPT_LENGTH
    dense = config | {"attention_pattern": ["dense"]}
    logits = numpy_forward(arrays, dense, arrays["token_ids"])
    assert abs(logits - forward(model, arrays["token_ids"])).max() > 0.1


@pytest.mark.parametrize("length", [1, 5, 6, 17])
def test_a_new_model_of_odd_sizes_equals_plain_numpy(length):
    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=53,
        num_layers=3,
        num_heads=3,
        hidden_dim=21,
        intermediate_dim=37,
        max_sequence_length=17,
        attention_pattern=("dense", "banded"),
        attention_window=5,
        layer_norm_epsilon=1e-3,
    )
    generator = np.random.default_rng(length)
    # A new model's biases are 0 and its scores near 0: nothing would show.
    for weight in backbone.weights:
        noise = generator.normal(size=weight.shape, scale=0.2)
        weight.assign(weight + noise)
    arrays = {NAMES.get(w.path, w.path): np.array(w) for w in backbone.weights}
    token_ids = generator.integers(0, 53, (2, length))
    exact = numpy_forward(arrays, backbone.get_config(), token_ids)
    logits = forward(keras_gpt3.GPT3(backbone), token_ids)
    # float32 rounding of values up to 10.
    np.testing.assert_allclose(logits, exact, atol=2e-5, rtol=0)
