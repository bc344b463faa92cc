"""keras-hub's `call_with_cache`: what `generate` scores each position by."""

import numpy as np
import pytest
from keras import ops

from keras_gpt3 import GPT3
from keras_gpt3.generation import BeamSampler
from tests.models.whole_pass import whole_pass
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch

FAVOURITE = 7


class Favouring(GPT3):
    """One id beats all others, wherever it is asked for."""

    def call_with_cache(self, token_ids, cache, cache_update_index):
        logits, *rest = super().call_with_cache(
            token_ids, cache, cache_update_index
        )
        favour = ops.one_hot(FAVOURITE, logits.shape[-1], dtype=logits.dtype)
        return logits + 1e6 * favour, *rest


@pytest.fixture(scope="module")
def model():
    return Favouring(small_backbone(num_layers=2))


@pytest.mark.parametrize("parts", [(8,), (1,) * 8, (3, 1, 4)])
def test_logits_and_states_are_those_of_the_whole_pass(parts):
    model = GPT3(small_backbone())
    inputs, _ = small_batch(rows=2)
    ids = inputs["token_ids"]
    cache, start, logits, states = model.backbone.make_cache(2, 8), 0, [], []
    for count in parts:
        new, hidden, cache = model.call_with_cache(
            ids[:, start : start + count], cache, start
        )
        logits.append(ops.convert_to_numpy(new))
        states.append(ops.convert_to_numpy(hidden))
        start += count
    logits, states = (np.concatenate(x, axis=1) for x in (logits, states))
    # Rounding alone: the largest logits are near 1.
    np.testing.assert_allclose(logits, whole_pass(model, ids), atol=1e-5)
    expected = ops.convert_to_numpy(model.backbone(inputs))
    np.testing.assert_allclose(states, expected, atol=1e-5)


@pytest.mark.parametrize("sampler", ["greedy", "top_k", "beam", BeamSampler(2)])
def test_every_sampler_chooses_by_it(sampler, model):
    model.compile(sampler=sampler)
    assert_favoured(model)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 1.0, "top_p": 0.9},
        {"speculative": "prompt"},
        {"assistant": GPT3(small_backbone(num_layers=1))},
    ],
    ids=["settings", "prompt", "assistant"],
)
def test_settings_and_drafts_choose_by_it(options, model):
    model.compile(sampler="greedy")
    assert_favoured(model, **options)


def test_generate_step_chooses_by_it(model):
    model.compile(sampler="greedy")
    prompt = np.array([[3, 4, 0, 0]], "int32")
    mask = np.array([[True, True, False, False]])
    answer = model.generate_step(
        {
            "token_ids": ops.convert_to_tensor(prompt),
            "padding_mask": ops.convert_to_tensor(mask),
        }
    )
    ids = ops.convert_to_numpy(answer["token_ids"])
    assert ids.tolist() == [[3, 4, FAVOURITE, FAVOURITE]]


def assert_favoured(model, **options):
    prompt = as_inputs(np.array([[3, 4, 3, 4]], "int32"))
    answer = model.generate(
        prompt, max_length=9, stop_token_ids=None, **options
    )
    assert answer["token_ids"].tolist() == [[3, 4, 3, 4] + 5 * [FAVOURITE]]
