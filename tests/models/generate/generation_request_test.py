import re

import pytest

from keras_gpt3 import GPT3
from keras_gpt3.generation import BeamSampler
from keras_gpt3.generation import SeededSampler
from keras_gpt3.models.generate.generation_request import GenerationRequest
from tests.small_gpt3 import TALKING_CONTEXT
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_model
from tests.small_gpt3 import talking_model


def checked(**arguments):
    return GenerationRequest.checked(talking_model(), **arguments)


def test_the_defaults_leave_the_choice_to_the_sampler():
    request = checked()
    end = talking_model().preprocessor.tokenizer.end_token_id
    assert request == GenerationRequest(
        talking_model().sampler, stop_token_ids=(end,)
    )
    assert request.settings is None


def test_options_complete_each_other_by_defaults_that_act():
    request = checked(top_p=0.5, top_k=0)
    assert request.settings == {"temperature": 1.0, "seed": None, "top_p": 0.5}


def test_options_change_a_seeded_sampler():
    request = checked(
        sampler=SeededSampler(temperature=0.5, top_k=4, seed=3), seed=8
    )
    assert request.settings == {"temperature": 0.5, "top_k": 4, "seed": 8}


@pytest.mark.parametrize(
    ("ids", "expected"), [(3, (3,)), ([3, 7], (3, 7)), (None, ())]
)
def test_without_a_preprocessor_the_models_own_ids_end_an_answer(ids, expected):
    given = {} if ids is None else {"eos_token_id": ids}
    model = GPT3(small_backbone(), special_token_ids=given)
    assert GenerationRequest.checked(model).stop_token_ids == expected
    request = GenerationRequest.checked(model, stop_token_ids=None)
    assert request.stop_token_ids == ()


@pytest.mark.parametrize(
    ("stop_token_ids", "expected"),
    [(None, ()), ([], ()), ([3, 4], (3, 4)), (7, (7,))],
)
def test_stop_tokens_become_a_tuple(stop_token_ids, expected):
    assert checked(stop_token_ids=stop_token_ids).stop_token_ids == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"max_length": 9, "max_new_tokens": 3},
            "Only one of max_length and max_new_tokens may be given. Received: "
            "max_length=9, max_new_tokens=3. Leave one out.",
        ),
        *(
            (
                {"max_length": value},
                "max_length must be an integer of at least 1. Received: "
                f"max_length={value!r}. Pass 1 or more.",
            )
            for value in (0, -1, 2.5, "9")
        ),
        (
            {"max_length": 10**6},
            "A sequence must not be longer than max_sequence_length="
            f"{TALKING_CONTEXT}. Received: length=1000000. Shorten it, or "
            "build the model with a larger max_sequence_length.",
        ),
        (
            {"max_new_tokens": 1.5},
            "max_new_tokens must be an integer of at least 1. Received: "
            "max_new_tokens=1.5. Pass 1 or more.",
        ),
        (
            {"truncate": "right"},
            "truncate must be left, or left out. Received: truncate=right. Use "
            "left to drop the first tokens of a long prompt.",
        ),
        (
            {"num_return_sequences": 0},
            "num_return_sequences must be an integer of at least 1. Received: "
            "num_return_sequences=0. Pass 1 or more.",
        ),
        (
            {"num_return_sequences": 2},
            "num_return_sequences must be 1 where all answers would be the "
            "same. Received: num_return_sequences=2. Pass a temperature above "
            "0, or compile with a keras_gpt3.generation.BeamSampler.",
        ),
        (
            {"num_return_sequences": 5, "sampler": BeamSampler(4)},
            "num_return_sequences must be at most the sampler's num_beams=4. "
            "Received: num_return_sequences=5. Search with more beams.",
        ),
        (
            {"stop_token_ids": [1.5]},
            "stop_token_ids must be a list of integers, None or 'auto'. "
            "Received: stop_token_ids=[1.5]. Use stop for strings.",
        ),
        *(
            (
                {"stop_token_ids": [3, wrong]},
                "stop_token_ids must be from 0 to below vocabulary_size=272. "
                f"Received: id={wrong}. Use the tokenizer that the model was "
                "made for, or a larger vocabulary_size.",
            )
            for wrong in (-1, 272)
        ),
        (
            {"heat": 1},
            "Sampling options must be among temperature, top_k, top_p, min_p, "
            "repetition_penalty, presence_penalty, frequency_penalty, "
            "logit_bias, seed. Received: heat. Check the spelling.",
        ),
    ],
)
def test_what_makes_no_request_raises(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        checked(**arguments)


def test_stop_strings_need_a_preprocessor():
    model = small_model()
    model.compile(sampler="greedy")
    message = (
        "stop must be left out where no preprocessor is attached. Received: "
        "stop=['x']. Use stop_token_ids."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        GenerationRequest.checked(model, stop="x")


@pytest.mark.parametrize(
    "generate",
    [
        lambda model: model.generate({}, max_length=4),
        lambda model: model.beam_search({}, max_length=4),
        lambda model: model.prefix([1]),
        lambda model: small_model(num_layers=1).generate(
            {"token_ids": [[1, 2]], "padding_mask": [[True, True]]},
            max_length=4,
            temperature=0,
            assistant=model,
        ),
    ],
    ids=["generate", "beam_search", "prefix", "assistant"],
)
def test_a_model_that_is_not_compiled_says_so(generate):
    model = GPT3(small_backbone(num_layers=1), compile=False)
    message = (
        "A model must be compiled before it generates. Received: "
        "compile=False. You must call `compile()`, which sets its sampler."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        generate(model)
