import re

import keras_hub
import numpy as np
import pytest

from keras_gpt3.generation import BeamSampler
from keras_gpt3.generation import beam_search
from keras_gpt3.generation import sample
from tests.generation.beam_search_test import slow_beam_search
from tests.generation.graphs import traced
from tests.generation.toy_model import PROMPTS
from tests.generation.toy_model import next_logits
from tests.generation.toy_model import padded_prompts
from tests.generation.toy_model import slow_logits
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_model


def step(token_ids, cache, index):
    logits, cache = next_logits(token_ids, cache, index)
    return logits, logits, cache


@pytest.mark.parametrize("stop", [None, 0, 3])
def test_sampling_gives_the_best_answer(stop):
    token_ids, mask = padded_prompts()
    stops = None if stop is None else [stop]
    sampler = BeamSampler(num_beams=3)
    answer = sample(sampler, step, token_ids, mask, token_ids, stops)
    for row, prompt in enumerate(PROMPTS):
        _, best = slow_beam_search(slow_logits, prompt, [stop], 3, 0.6)[0]
        answered = np.asarray(answer["padding_mask"][row])
        assert answered.sum() == len(best)
        np.testing.assert_array_equal(answer["token_ids"][row][answered], best)
        np.testing.assert_array_equal(
            answer["token_ids"][row][~answered], token_ids[row][~answered]
        )


def test_all_beams_come_with_their_scores_on_demand():
    token_ids, mask = padded_prompts()
    sampler = BeamSampler(
        num_beams=2, length_penalty=1.0, return_all_beams=True
    )
    beams, scores = sampler(
        step, token_ids, token_ids, mask=mask, stop_token_ids=[3]
    )
    expected = beam_search(
        next_logits, token_ids, mask, token_ids, [3], 2, length_penalty=1.0
    )
    np.testing.assert_array_equal(beams, expected["token_ids"])
    np.testing.assert_array_equal(scores, expected["scores"])


def test_without_a_mask_the_prompt_ends_at_the_index():
    token_ids, _ = padded_prompts()
    sampler = BeamSampler(num_beams=2)
    mask = np.zeros_like(token_ids, "bool")
    mask[:, :4] = True
    np.testing.assert_array_equal(
        sampler(step, token_ids, token_ids, index=4),
        sampler(step, token_ids, token_ids, mask=mask),
    )


def test_a_model_generates_what_a_search_without_a_cache_finds():
    model = small_model()
    # Scores far enough apart for float32 to tell them.
    table = model.backbone.token_embedding.embeddings
    table.assign(table * 20)
    model.compile(sampler=BeamSampler(num_beams=3))
    prompts = ([5, 7], [1, 2, 3, 4], [60])
    x = as_inputs(np.array([p + [0] * (8 - len(p)) for p in prompts]))
    lengths = np.array([[len(prompt)] for prompt in prompts])
    x["padding_mask"] = np.arange(8) < lengths

    forward = traced(model)

    def logits_of(tokens):
        padded = np.array([tokens + [0] * (8 - len(tokens))])
        return forward(as_inputs(padded))[0, len(tokens) - 1]

    def best(prompt, stop):
        return slow_beam_search(logits_of, prompt, [stop], 3, 0.6, 8)[0][1]

    stop = best(prompts[0], stop=-1)[3]
    answer = model.generate(x, stop_token_ids=[stop])
    for row, prompt in enumerate(prompts):
        answered = answer["padding_mask"][row]
        tokens = answer["token_ids"][row][answered]
        np.testing.assert_array_equal(tokens, best(prompt, stop))
    assert set(answer["padding_mask"][:, -1]) == {False, True}


def test_survives_serialization():
    sampler = BeamSampler(3, 0.25, return_all_beams=True)
    config = keras_hub.samplers.serialize(sampler)
    loaded = keras_hub.samplers.deserialize(config)
    assert isinstance(loaded, BeamSampler)
    assert loaded.get_config() == sampler.get_config()
    assert sampler.get_config() == {
        "num_beams": 3,
        "length_penalty": 0.25,
        "return_all_beams": True,
    }


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            {"num_beams": 0},
            "num_beams must be an integer of at least 1. Received: "
            "num_beams=0. Pass 1 or more.",
        ),
        (
            {"length_penalty": -1},
            "length_penalty must be finite and at least 0. Received: "
            "length_penalty=-1. Use 0 to compare sums of log-probabilities.",
        ),
    ],
)
def test_a_setting_out_of_range_raises(argument, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        BeamSampler(**argument)
