import re

import keras_hub
import numpy as np
import pytest

from keras_gpt3.generation import SeededSampler
from keras_gpt3.generation import sample
from tests.generation.toy_model import PROMPTS
from tests.generation.toy_model import next_logits
from tests.generation.toy_model import padded_prompts
from tests.generation.toy_model import slow_continuation


def run(sampler):
    def step(token_ids, cache, index):
        logits, cache = next_logits(token_ids, cache, index)
        return logits, logits, cache

    token_ids, mask = padded_prompts()
    return np.asarray(
        sample(sampler, step, token_ids, mask, token_ids, None)["token_ids"]
    )


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"top_k": 1}])
def test_temperature_0_and_one_token_are_greedy(settings):
    np.testing.assert_array_equal(
        run(SeededSampler(**settings)), [slow_continuation(p) for p in PROMPTS]
    )


def test_the_same_seed_gives_the_same_answer_call_after_call():
    sampler = SeededSampler(seed=1)
    first = run(sampler)
    np.testing.assert_array_equal(run(sampler), first)
    assert (run(SeededSampler(seed=2)) != first).any()


def test_survives_serialization():
    sampler = SeededSampler(temperature=0.3, top_k=4, seed=9)
    config = keras_hub.samplers.serialize(sampler)
    loaded = keras_hub.samplers.deserialize(config)
    assert isinstance(loaded, SeededSampler)
    assert loaded.get_config() == sampler.get_config()
    assert sampler.get_config() == {"temperature": 0.3, "top_k": 4, "seed": 9}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            {"temperature": -0.5},
            "temperature must be at least 0. Received: temperature=-0.5. Use "
            "0 for greedy decoding.",
        ),
        (
            {"top_k": -1},
            "top_k must be at least 0. Received: top_k=-1. Use 0 to draw among "
            "all tokens.",
        ),
    ],
)
def test_a_negative_setting_raises(argument, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SeededSampler(**argument)
