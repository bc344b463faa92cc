"""Generation where the weights are split over devices; JAX' virtual ones."""

import keras
import keras_hub
import numpy as np
import pytest

from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_model

pytestmark = pytest.mark.backend("jax", reason="Keras splits weights there")

# Each matrix product over two devices, as Megatron-LM splits them.
LAYOUTS = {
    "token_embedding/embeddings": ("model", None),
    ".*query_key_value/kernel": (None, "model"),
    ".*query_key_value/bias": ("model",),
    ".*attention_output/kernel": ("model", None),
    ".*feed_forward_intermediate/kernel": (None, "model"),
    ".*feed_forward_intermediate/bias": ("model",),
    ".*feed_forward_output/kernel": ("model", None),
}
SIZES = {"vocabulary_size": 62, "max_sequence_length": 20}
PROMPTS = {
    "token_ids": np.array([[5, 6, 7, 8, 9], [8, 3, 0, 0, 0]]),
    "padding_mask": np.array([[True] * 5, [True] * 2 + [False] * 3]),
}
SETTINGS = {
    "temperature": 1.0,
    "top_k": 20,
    "repetition_penalty": 1.2,
    "seed": 7,
}


@pytest.fixture(scope="module")
def pair():
    """The same model, on one device and split over a mesh of four."""
    devices = keras.distribution.list_devices()[:4]
    mesh = keras.distribution.DeviceMesh((2, 2), ("batch", "model"), devices)
    layout_map = keras.distribution.LayoutMap(mesh)
    for path, axes in LAYOUTS.items():
        layout_map[path] = axes
    whole, generator = small_model(**SIZES), np.random.default_rng(0)
    # Answers vary with them, and scores are far apart.
    weights = [
        w + generator.normal(0, 0.3, w.shape) for w in whole.get_weights()
    ]
    distribution = keras.distribution.ModelParallel(
        layout_map=layout_map, batch_dim_name="batch"
    )
    with distribution.scope():
        split = small_model(**SIZES)
        for model in (whole, split):
            model.set_weights(weights)
            model.compile(sampler="greedy")
        yield whole, split


def test_the_weights_are_split(pair):
    _, split = pair
    kernel = split.backbone.decoder_blocks[0].query_key_value.kernel.value
    assert {s.data.shape for s in kernel.addressable_shards} == {(16, 24)}
    assert len(kernel.sharding.device_set) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        SETTINGS,
        SETTINGS | {"num_return_sequences": 3},
        {"max_new_tokens": 4, "stop_token_ids": [9]},
    ],
)
def test_the_split_model_gives_the_same_answers(pair, arguments):
    whole, split = (
        model.generate(PROMPTS, **({"max_new_tokens": 9} | arguments))
        for model in pair
    )
    for name, expected in whole.items():
        np.testing.assert_array_equal(split[name], expected)


def test_a_generator_moves_on_next_to_split_weights(pair):
    answers = []
    for model in pair:
        model.compile(sampler=keras_hub.samplers.TopKSampler(k=20, seed=3))
        answers.append(
            [
                model.generate(PROMPTS, max_new_tokens=9)["token_ids"]
                for _ in range(2)
            ]
        )
        model.compile(sampler="greedy")
    whole, split = answers
    np.testing.assert_array_equal(split, whole)
    assert (whole[0] != whole[1]).any()


def test_the_split_model_goes_on_from_a_prefix(pair):
    prompt = as_inputs(np.array([[3, 4], [5, 6]]))
    whole, split = (
        model.prefix([7, 8, 9]).generate(prompt, max_new_tokens=5)["token_ids"]
        for model in pair
    )
    np.testing.assert_array_equal(split, whole)


def test_the_split_model_finds_and_scores_the_same(pair):
    found = [m.beam_search(PROMPTS, max_new_tokens=3) for m in pair]
    for one, other in zip(*(sum(lists, []) for lists in found), strict=True):
        assert other.token_ids == one.token_ids
        # Partial products are summed in another order.
        assert other.score == pytest.approx(one.score, abs=1e-5)
    whole, split = (m.score([5, 6], [[7, 8], [9]], top_n=2) for m in pair)
    for one, other in zip(whole, split, strict=True):
        assert one.top_token_ids == other.top_token_ids
        np.testing.assert_allclose(
            one.token_log_probabilities,
            other.token_log_probabilities,
            atol=1e-5,
        )


def test_weights_changed_later_are_seen_by_the_next_answer(pair):
    before = []
    for model in pair:
        before.append(model.generate(PROMPTS, max_new_tokens=9)["token_ids"])
        table = model.backbone.position_embedding.table.embeddings
        table.assign(table.value[::-1])
    after = [m.generate(PROMPTS, max_new_tokens=9)["token_ids"] for m in pair]
    np.testing.assert_array_equal(*after)
    assert (before[0] != after[0]).any()
