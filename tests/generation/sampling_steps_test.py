import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation import BeamSampler
from keras_gpt3.generation import SeededSampler
from keras_gpt3.generation.sampling_settings import logit_bias_vector
from keras_gpt3.generation.sampling_steps import active_settings
from keras_gpt3.generation.sampling_steps import is_stepwise
from keras_gpt3.generation.sampling_steps import sampler_steps
from keras_gpt3.generation.sampling_steps import settings_steps
from tests.generation.graphs import call

LOGITS = np.random.default_rng(0).normal(size=(2, 9)).astype("float32")
ALL = {
    "temperature": 0.7,
    "top_k": 5,
    "top_p": 0.9,
    "min_p": 0.01,
    "repetition_penalty": 1.3,
    "presence_penalty": 0.2,
    "frequency_penalty": 0.1,
    "logit_bias": {2: 1.5},
    "seed": 3,
}


def test_settings_that_do_nothing_are_left_out():
    assert active_settings({}) == {"temperature": 1.0, "seed": None}
    assert active_settings(SeededSampler().get_config()) == active_settings({})
    assert active_settings(ALL) == ALL
    assert active_settings({"logit_bias": {}}) == active_settings({})


def chosen(settings, seeds=(3,)):
    """Pairs of scores and choices, one for each seed."""
    token_ids = np.array([[1, 2, 2, 0], [3, 4, 5, 0]])

    def choose_once(seed):
        next_logits, choose = settings_steps(
            settings | {"seed": seed},
            lambda ids, cache, index: (LOGITS, cache),
            np.array([1, 2]),
        )
        logits, _ = next_logits(token_ids, (), 3)
        return logits, choose(logits, 3)

    found = [call(choose_once, np.array(seed)) for seed in seeds]
    return [(np.asarray(a), np.asarray(b)) for a, b in found]


def test_tensors_choose_what_numbers_choose():
    tensors = {
        k: ops.convert_to_tensor(v)
        for k, v in ALL.items()
        if v != ALL["logit_bias"]
    }
    tensors["logit_bias"] = logit_bias_vector(ALL["logit_bias"], 9)
    (of_numbers,), (of_tensors,) = chosen(ALL), chosen(tensors)
    for one, other in zip(of_numbers, of_tensors, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", sorted(set(ALL) - {"temperature", "seed"}))
def test_each_setting_does_something(name):
    changed = {
        "top_k": 1,
        "top_p": 0.01,
        "min_p": 0.99,
    }
    value, seeds = changed.get(name, ALL[name]), range(20)
    found = chosen({"temperature": 1.0, name: value}, seeds)
    plain = chosen({"temperature": 1.0}, seeds)
    assert any(
        (a[0] != b[0]).any() or (a[1] != b[1]).any()
        for a, b in zip(found, plain, strict=True)
    )


def test_samplers_of_keras_hub_choose_as_in_their_own_loop():
    choose = sampler_steps(keras_hub.samplers.GreedySampler())
    np.testing.assert_array_equal(choose(LOGITS, 3), LOGITS.argmax(-1))


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        (keras_hub.samplers.GreedySampler(), True),
        (keras_hub.samplers.TopKSampler(5), True),
        (keras_hub.samplers.BeamSampler(), False),
        (keras_hub.samplers.ContrastiveSampler(), False),
        (BeamSampler(), False),
        (SeededSampler(), False),
    ],
)
def test_samplers_with_a_loop_of_their_own_are_not_stepwise(sampler, expected):
    assert is_stepwise(sampler) == expected
