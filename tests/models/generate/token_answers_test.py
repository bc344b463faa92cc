import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation import BeamSampler
from keras_gpt3.models.generate import token_answers
from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.prompt_batch import batch_of_texts
from keras_gpt3.models.generate.token_answers import Decoding
from keras_gpt3.models.generate.token_answers import TokenAnswers
from keras_gpt3.models.generate.token_answers import answer_arrays
from keras_gpt3.models.generate.token_answers import chooses_stepwise
from keras_gpt3.models.generate.token_answers import without_prompts
from tests.small_gpt3 import talking_model

# === Token answers ===


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


# === Decoding ===


PROMPTS = ["the cat", "a", "!"]


def decoding(model=None, **arguments):
    model = model or talking_model()
    request = GenerationRequest.checked(
        model, max_new_tokens=9, stop_token_ids=None, **arguments
    )
    batch = batch_of_texts(model, PROMPTS, request)
    return Decoding(model.decode_graphs(), batch, request)


@pytest.mark.parametrize("parts", [[1, 1, 30], [4, 2, 4, 30], [30]])
def test_parts_make_the_answers_that_one_run_makes(parts):
    whole, by_parts = decoding(), decoding()
    whole.advance(30)
    for count in parts:
        by_parts.advance(count)
    assert by_parts.is_finished and whole.is_finished
    for one, other in zip(whole.answers(), by_parts.answers(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_unfinished_answers_end_where_decoding_stands():
    part = decoding()
    part.advance(3)
    _, mask = part.answers()
    np.testing.assert_array_equal(mask.sum(axis=1), part.batch.lengths + 3)


def test_decoding_ends_when_all_rows_were_stopped():
    part = decoding()
    part.advance(2)
    part.stop_rows(np.array([True, True, True]))
    assert part.is_finished


MANY = ["the cat", "a", "!", "the dog sat", "on", "it", "b"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"temperature": 1.0, "seed": 3, "frequency_penalty": 0.5},
        {"stop": ["e", " t"]},
        pytest.param(
            {"num_return_sequences": 2, "temperature": 1.0, "seed": 1},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_more_prompts_than_slots_are_answered_as_all_at_once(
    arguments, monkeypatch
):
    model = talking_model()
    arguments |= {"max_length": 24, "strip_prompt": True}
    expected = model.generate(MANY, **arguments)
    monkeypatch.setattr(token_answers, "MOST_SLOTS", 3)
    assert model.generate(MANY, **arguments) == expected
    prefix = model.prefix("the cat ")
    received = prefix.generate(MANY, **arguments)
    monkeypatch.setattr(token_answers, "MOST_SLOTS", 64)
    assert received == prefix.generate(MANY, **arguments)


def test_a_row_that_ends_leaves_its_slot_to_the_next(monkeypatch):
    monkeypatch.setattr(token_answers, "MOST_SLOTS", 2)
    model = talking_model()
    request = GenerationRequest.checked(model, stop_token_ids=None)
    batch = batch_of_texts(model, ["a"] * 4, request)
    # Five steps, as 1 + 3 + 1 fit beside the first; two batches take 5 + 3.
    lengths = np.array([5, 1, 3, 1])
    batch = batch._replace(ends=batch.lengths + lengths)
    part, steps = Decoding(model.decode_graphs(), batch, request), []
    loop = part._loop

    def counted(end, state, *args, **seeds):
        after = loop(end, state, *args, **seeds)
        steps.append(int(ops.max(after.index - state.index)))
        return after

    part._loop = counted
    while not part.is_finished:
        part.advance(30)
    assert sum(steps) == 5
    _, mask = part.answers()
    np.testing.assert_array_equal(mask.sum(axis=1), batch.ends)


@pytest.mark.parametrize("drafter", ["prompt", "assistant"])
def test_the_next_row_of_a_slot_drafts_at_once(monkeypatch, drafter):
    monkeypatch.setattr(token_answers, "MOST_SLOTS", 1)
    model = talking_model()
    drafters = {
        "prompt": {"speculative": "prompt"},
        "assistant": {"assistant": model},
    }
    part, pauses = decoding(model, **drafters[drafter]), []

    def reject_all(end, state, mask, enough, **seeds):
        state, drafting = state
        pauses.append((int(drafting.pause[0]), int(drafting.next_pause[0])))
        state = state._replace(index=end, finished=np.array([True]))
        longest = np.array([64], "int32")
        return state, drafting._replace(pause=longest, next_pause=longest)

    part._loop = reject_all
    while not part.is_finished:
        part.advance(30)
    first_pause = {"prompt": 1, "assistant": 16}[drafter]
    assert pauses == [(0, first_pause)] * len(PROMPTS)


def test_copies_draw_each_with_its_own_seed():
    several = decoding(num_return_sequences=2, temperature=1.0)
    several.advance(30)
    token_ids, _ = several.answers()
    assert token_ids.shape[0] == 2 * len(PROMPTS)
    assert (token_ids[0] != token_ids[1]).any()
