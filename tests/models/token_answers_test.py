import numpy as np
import pytest

from keras_gpt3.generation import BeamSampler
from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.token_answers import TokenAnswers
from keras_gpt3.models.generate.token_answers import answer_arrays
from keras_gpt3.models.generate.token_answers import chooses_stepwise
from keras_gpt3.models.generate.token_answers import without_prompts
from tests.small_gpt3 import talking_model

ANSWERS = TokenAnswers(
    np.array([[1, 2, 5, 0], [3, 7, 8, 9]]),
    np.array([[True, True, True, False], [True] * 4]),
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, True),
        ({"sampler": BeamSampler()}, False),
        ({"sampler": BeamSampler(), "top_k": 2}, True),
    ],
)
def test_searches_do_not_choose_step_by_step(arguments, expected):
    request = GenerationRequest.checked(talking_model(), **arguments)
    assert chooses_stepwise(request) == expected


def test_answers_move_to_the_front_without_their_prompts():
    moved = without_prompts(ANSWERS, np.array([2, 1]))
    assert moved.token_ids.tolist() == [[5, 0, 1, 2], [7, 8, 9, 3]]
    assert moved.padding_mask.tolist() == [
        [True, False, False, False],
        [True, True, True, False],
    ]


def test_several_answers_of_a_prompt_get_an_axis():
    one, two = answer_arrays(ANSWERS, 1), answer_arrays(ANSWERS, 2)
    assert one["token_ids"].shape == (2, 4)
    assert two["padding_mask"].shape == (1, 2, 4)
