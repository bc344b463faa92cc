import functools
import json
import re

import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation import SeededSampler
from keras_gpt3.generation import sample
from keras_gpt3.ops.op_compilation import as_graph
from keras_gpt3.ops.op_compilation import jit_compile
from tests.generation.graphs import traced
from tests.generation.slow_choice import slow_choose_token
from tests.generation.slow_choice import slow_frequency
from tests.generation.slow_choice import slow_presence
from tests.generation.slow_choice import slow_repetition
from tests.generation.toy_model import LENGTH
from tests.generation.toy_model import PROMPTS
from tests.generation.toy_model import next_logits
from tests.generation.toy_model import padded_prompts
from tests.generation.toy_model import slow_continuation
from tests.generation.toy_model import slow_logits

SETTINGS = [
    {"seed": 0},
    {"temperature": 0.5, "top_k": 3, "seed": 0},
    {"top_p": 0.6, "seed": 1},
    {"min_p": 0.3, "seed": 2},
    {"repetition_penalty": 3.0, "seed": 0},
    {"temperature": 0.0, "repetition_penalty": 3.0},
    {"temperature": 0.0, "presence_penalty": 1.5},
    {"temperature": 0.0, "frequency_penalty": 0.7},
    {"temperature": 0.0, "frequency_penalty": -2.0},
    {"temperature": 0.0, "logit_bias": {1: -1e9, 3: 0.5}},
    {
        "temperature": 1.2,
        "top_k": 4,
        "seed": 3,
        "top_p": 0.9,
        "min_p": 0.05,
        "repetition_penalty": 1.5,
        "presence_penalty": 0.3,
        "frequency_penalty": 0.2,
        "logit_bias": {0: 1.0},
    },
]


def run_on(sampler, token_ids, mask):
    def step(token_ids, cache, index):
        logits, cache = next_logits(token_ids, cache, index)
        return logits, logits, cache

    return sample(sampler, step, token_ids, mask, token_ids, None)["token_ids"]


def run(sampler):
    return np.asarray(run_on(sampler, *padded_prompts()))


@functools.cache
def run_settings(place):
    return run(SeededSampler(**SETTINGS[place]))


def slow_answer(prompt, sampler):
    """Biases, penalties and the choice, token after token."""
    tokens = list(prompt)
    while len(tokens) < LENGTH:
        scores = slow_logits(tokens).copy()
        for token_id, bias in (sampler.logit_bias or {}).items():
            scores[token_id] += bias
        for penalize, penalty in (
            (slow_repetition, sampler.repetition_penalty),
            (slow_frequency, sampler.frequency_penalty),
            (slow_presence, sampler.presence_penalty),
        ):
            scores = penalize(scores, tokens, len(prompt), penalty)
        token = slow_choose_token(
            scores,
            len(tokens),
            sampler.temperature,
            sampler.top_k,
            sampler.seed,
            sampler.top_p,
            sampler.min_p,
        )
        tokens.append(token)
    return tokens


@pytest.mark.parametrize("place", range(len(SETTINGS)))
def test_answers_as_a_plain_loop_does(place):
    sampler = SeededSampler(**SETTINGS[place])
    expected = [slow_answer(prompt, sampler) for prompt in PROMPTS]
    np.testing.assert_array_equal(run_settings(place), expected)


@pytest.mark.parametrize("compiled", [traced, jit_compile])
def test_a_graph_answers_the_same(compiled):
    sampler = SeededSampler(**SETTINGS[-1])

    def answer(token_ids, mask):
        return run_on(sampler, token_ids, mask)

    prompts = map(ops.convert_to_tensor, padded_prompts())
    answers = compiled(answer)(*prompts)
    np.testing.assert_array_equal(answers, run_settings(-1))


def test_the_settings_of_these_tests_all_matter():
    answers = {run_settings(i).tobytes() for i in range(len(SETTINGS))}
    greedy = run(SeededSampler(temperature=0.0)).tobytes()
    assert len(answers | {greedy}) == len(SETTINGS) + 1


def test_a_token_ruled_out_is_in_no_answer():
    _, mask = padded_prompts()
    for seed in range(3):
        sampler = SeededSampler(seed=seed, logit_bias={2: -1e9})
        assert 2 not in run(sampler)[~mask]
    assert 2 in run(SeededSampler(seed=0))[~mask]


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


@pytest.mark.parametrize("compiled", [as_graph, jit_compile])
def test_without_a_seed_calls_and_rows_draw_differently(compiled):
    sampler = SeededSampler()

    def answer(token_ids, mask):
        return run_on(sampler, token_ids, mask)

    answer = compiled(answer, changed=sampler.variables)
    prompts = [ops.repeat(x[:1], 3, axis=0) for x in padded_prompts()]
    drawn = [np.asarray(answer(*prompts)) for _ in range(2)]
    assert len(np.unique(np.concatenate(drawn), axis=0)) == 6


@pytest.mark.parametrize("settings", SETTINGS)
def test_survives_serialization_as_json(settings):
    sampler = SeededSampler(**settings)
    config = keras_hub.samplers.serialize(sampler)
    loaded = keras_hub.samplers.deserialize(json.loads(json.dumps(config)))
    assert isinstance(loaded, SeededSampler)
    assert loaded.get_config() == sampler.get_config()
    assert loaded.get_config().items() >= settings.items()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            {"temperature": -0.5},
            "temperature must be a finite number of at least 0. Received: "
            "temperature=-0.5. Use 0 for greedy decoding.",
        ),
        (
            {"top_k": -1},
            "top_k must be an integer of at least 0. Received: top_k=-1. Pass "
            "0 or more.",
        ),
        (
            {"seed": 0.5},
            "seed must be an integer of at least 0. Received: seed=0.5. Pass 0 "
            "or more.",
        ),
        (
            {"top_p": 0.0},
            "top_p must be a finite number above 0 and at most 1. Received: "
            "top_p=0. Use 1.0 to draw among all tokens.",
        ),
        (
            {"min_p": 1.0},
            "min_p must be a finite number of at least 0 and below 1. "
            "Received: min_p=1. Use 0.0 to draw among all tokens.",
        ),
        (
            {"repetition_penalty": 0.0},
            "repetition_penalty must be a finite number above 0. Received: "
            "repetition_penalty=0. Use 1.0 for no penalty.",
        ),
        (
            {"presence_penalty": 2.5},
            "presence_penalty must be a finite number from -2 to 2. Received: "
            "presence_penalty=2.5. Use 0.0 for no penalty.",
        ),
        (
            {"frequency_penalty": -2.5},
            "frequency_penalty must be a finite number from -2 to 2. Received: "
            "frequency_penalty=-2.5. Use 0.0 for no penalty.",
        ),
        (
            {"logit_bias": {-1: 0.5}},
            "The ids of logit_bias must be integers of at least 0. Received: "
            "id=-1. Take ids from the tokenizer.",
        ),
    ],
)
def test_a_setting_out_of_its_range_raises(argument, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SeededSampler(**argument)


@pytest.mark.parametrize("compiled", [lambda function: function, jit_compile])
def test_a_bias_on_an_id_that_the_model_lacks_raises(compiled):
    sampler = SeededSampler(logit_bias={5: 1.0})
    answer = compiled(lambda *prompts: run_on(sampler, *prompts))
    message = (
        "The ids of logit_bias must be below vocabulary_size=5. Received: "
        "id=5. Take ids from the model's own tokenizer."
    )
    # A first line: JAX adds a note to what is raised in a loop.
    with pytest.raises(ValueError, match=f"(?m)^{re.escape(message)}$"):
        answer(*map(ops.convert_to_tensor, padded_prompts()))
