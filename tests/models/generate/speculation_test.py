import functools
import re

import keras_hub
import numpy as np
import pytest

from keras_gpt3.generation import BeamSampler
from keras_gpt3.models.generate import token_answers
from tests.small_gpt3 import small_model
from tests.small_gpt3 import talking_model

LENGTH = 40
# Slow tests compile whole loops; `speculative_decoding_test.py` has quick ones.


@functools.cache
def model(window=4, seed=0):
    """A model whose answers vary, and its drafts with them."""
    model = small_model(max_sequence_length=LENGTH, attention_window=window)
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        noise = generator.normal(size=weight.shape, scale=0.4)
        weight.assign(noise + ("gamma" in weight.path))
    model.compile(sampler="greedy")
    return model


@functools.cache
def similar_model():
    """A model that often chooses what the other does."""
    similar = small_model(max_sequence_length=LENGTH, attention_window=4)
    generator = np.random.default_rng(1)
    for weight, own in zip(similar.weights, model().weights, strict=True):
        noise = generator.normal(size=own.shape, scale=0.02)
        weight.assign(np.asarray(own) + noise)
    return similar


def prompts(rows):
    """Prompts that repeat themselves, of several lengths."""
    generator = np.random.default_rng(7)
    token_ids = np.zeros((rows, LENGTH), "int32")
    lengths = np.array([9, 14, 6, 11, 12, 10])[:rows]
    for row, length in enumerate(lengths):
        pattern = generator.integers(61, size=4)
        token_ids[row, :length] = np.resize(pattern, length)
    mask = np.arange(LENGTH) < lengths[:, None]
    return {"token_ids": token_ids, "padding_mask": mask}


def check_same(model, inputs, drafters, **arguments):
    expected = model.generate(inputs, **arguments)
    for drafter in drafters:
        found = model.generate(inputs, **arguments, **drafter)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])
        assert model.speculation.rounds > 0
        yield model.speculation


SETTINGS = [
    {},
    {"temperature": 0.3, "top_k": 5, "repetition_penalty": 1.1},
    {"temperature": 0.5, "frequency_penalty": -0.5, "presence_penalty": 0.2},
]


@pytest.mark.slow
@pytest.mark.parametrize("settings", SETTINGS)
def test_answers_are_those_without_drafts(settings):
    drafters = {"speculative": "prompt"}, {"assistant": similar_model()}
    accepted = 0
    for seed in range(3) if settings else [None]:
        seeds = {} if seed is None else {"seed": seed}
        for counts in check_same(
            model(), prompts(3), drafters, **settings, **seeds
        ):
            accepted += counts.accepted
    assert accepted > 0


# The rings of banded layers come round many times.
@pytest.mark.slow
@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("rows", [1, 2])
def test_rejected_drafts_are_not_seen_in_any_window(window, rows):
    drafters = {"speculative": "prompt"}, {"assistant": model(4, seed=2)}
    arguments = {"temperature": 0.2, "seed": 5}
    inputs = prompts(rows)
    for counts in check_same(model(window), inputs, drafters, **arguments):
        assert counts.accepted < counts.proposed


@pytest.mark.slow
def test_all_drafts_of_the_model_itself_are_accepted():
    settings = {"temperature": 1.0, "seed": 3}
    drafters = [{"assistant": model()}]
    (counts,) = check_same(model(), prompts(2), drafters, **settings)
    assert counts.accepted == counts.proposed > 30


@pytest.mark.slow
@pytest.mark.parametrize("drafter", ["prompt", "assistant"])
def test_more_prompts_than_slots_have_the_same_answers(monkeypatch, drafter):
    monkeypatch.setattr(token_answers, "MOST_SLOTS", 2)
    drafters = {
        "prompt": {"speculative": "prompt"},
        "assistant": {"assistant": similar_model()},
    }
    (counts,) = check_same(
        model(), prompts(6), [drafters[drafter]], max_new_tokens=9
    )
    assert counts.accepted > 0


@pytest.mark.slow
def test_several_answers_of_a_prompt_have_their_seeds():
    drafters = {"speculative": "prompt"}, {"assistant": similar_model()}
    arguments = {"seed": 4, "temperature": 0.4, "num_return_sequences": 2}
    for counts in check_same(model(), prompts(1), drafters, **arguments):
        assert counts.proposed > 0


@pytest.mark.slow
def test_a_prefix_longer_than_the_window_is_followed_by_drafts():
    prefix = model().prefix([5, 6, 7, 8, 5, 6, 7])
    drafters = {"speculative": "prompt"}, {"assistant": similar_model()}
    arguments = {"prefix": prefix, "max_new_tokens": 12}
    for counts in check_same(model(), prompts(2), drafters, **arguments):
        assert counts.proposed > 0


@pytest.mark.slow
def test_streams_and_stop_strings_are_the_same():
    text = "the cat the cat the cat the"
    arguments = {"max_new_tokens": 14, "stop": "q"}
    model = talking_model()
    expected = model.generate(text, strip_prompt=True, **arguments)
    assert expected
    for drafter in ({"speculative": "prompt"}, {"assistant": model}):
        found = model.generate(text, strip_prompt=True, **arguments, **drafter)
        assert found == expected
        assert model.speculation.rounds > 0
        pieces = model.stream(text, **arguments, **drafter)
        assert "".join(pieces) == expected
        assert model.speculation.rounds > 0


@pytest.mark.slow
def test_the_counts_are_those_of_the_last_call():
    model().generate(prompts(1), speculative="prompt")
    assert model().speculation.rounds > 0
    model().generate(prompts(1))
    assert tuple(model().speculation) == (0, 0, 0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"assistant": 3, "speculative": "prompt"},
            "Only one of assistant and speculative may be given. Received: "
            "assistant=int, speculative='prompt'. Leave one out.",
        ),
        (
            {"speculative": "text"},
            'speculative must be "prompt" or None. Received: '
            "speculative='text'. Pass a model as assistant.",
        ),
        (
            {"assistant": "prompt"},
            "assistant must be a GPT3 model. Received: assistant=str. Load one "
            "with GPT3.from_preset.",
        ),
        (
            {"speculative": "prompt", "sampler": BeamSampler()},
            "sampler must be a SeededSampler or greedy where tokens are "
            "drafted. Received: sampler=BeamSampler. Pass settings such as "
            "temperature, or leave out assistant and speculative.",
        ),
        (
            {
                "speculative": "prompt",
                "sampler": keras_hub.samplers.TopKSampler(3),
            },
            "Received: sampler=TopKSampler. Pass settings",
        ),
    ],
)
def test_what_cannot_be_drafted_is_refused(arguments, message):
    sampler = arguments.pop("sampler", None)
    refusing = model()
    if sampler is not None:
        refusing = small_model()
        refusing.compile(sampler=sampler)
    with pytest.raises(ValueError, match=re.escape(message)):
        refusing.generate(prompts(1), **arguments)


@pytest.mark.parametrize(
    "overrides, message",
    [
        (
            {"vocabulary_size": 7},
            "assistant must have the model's vocabulary. Received: "
            "vocabulary_size=7, the model's vocabulary_size=61. Choose another "
            "draft model.",
        ),
        (
            {"max_sequence_length": 8},
            "assistant must have at least the model's context. Received: "
            "max_sequence_length=8, the model's max_sequence_length=40. "
            "Choose another draft model.",
        ),
    ],
)
def test_a_draft_model_of_other_sizes_is_refused(overrides, message):
    assistant = small_model(**({"max_sequence_length": LENGTH} | overrides))
    with pytest.raises(ValueError, match=re.escape(message)):
        model().generate(prompts(1), assistant=assistant)
