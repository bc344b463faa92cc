import numpy as np
import pytest

from keras_gpt3.models.generate import answer_texts
from keras_gpt3.models.generate.answer_texts import AnswerTexts
from keras_gpt3.models.generate.answer_texts import BeamAnswer
from keras_gpt3.models.generate.answer_texts import beam_answers
from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.prompt_batch import PromptBatch
from keras_gpt3.models.generate.prompt_batch import batch_of_texts
from keras_gpt3.models.generate.token_answers import TokenAnswers
from tests.small_gpt3 import talking_model

# === Answer texts ===


def answers(prompt, answer):
    tokenizer = talking_model().preprocessor.tokenizer
    parts = [[int(i) for i in tokenizer(text)] for text in (prompt, answer)]
    ids = np.array([[*parts[0], *parts[1], tokenizer.end_token_id]])
    mask = np.ones(ids.shape, "bool")
    prompt_mask = np.arange(ids.shape[1]) < len(parts[0])
    return TokenAnswers(ids, mask), prompt_mask[None]


@pytest.mark.parametrize(
    ("stop", "expected", "stopped"),
    [
        ((), "wörld. a", False),
        (("ld",), "wör", True),
        (("the",), "wörld. a", False),
    ],
)
def test_answers_are_cut_and_prompts_are_not(stop, expected, stopped):
    found, prompt_mask = answers("the ", "wörld. a")
    texts = AnswerTexts(
        talking_model().preprocessor.tokenizer, prompt_mask, stop
    )
    assert texts.decode(found, strip_prompt=True) == [expected]
    assert texts.decode(found) == ["the " + expected]
    assert texts.have_stopped(found).tolist() == [stopped]


# === Beam answer ===


def test_answers_are_those_behind_each_prompt_and_exist():
    batch = PromptBatch(
        np.array([[1, 2, 0, 0], [3, 0, 0, 0]]),
        np.array([[True, True, False, False], [True, False, False, False]]),
        np.array([4, 4]),
    )
    found = TokenAnswers(
        np.array([[1, 2, 5, 6], [1, 2, 0, 0], [3, 7, 8, 9], [3, 7, 0, 0]]),
        np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]]) > 0,
        np.array([-1.0, -np.inf, -2.0, -3.0]),
    )
    assert beam_answers(None, batch, found) == [
        [BeamAnswer(None, (5, 6), -1.0)],
        [BeamAnswer(None, (7, 8, 9), -2.0), BeamAnswer(None, (7,), -3.0)],
    ]


# === Text stream ===


def pieces(prompt="the cat", **arguments):
    model = talking_model()
    request = GenerationRequest.checked(model, **arguments)
    batch = batch_of_texts(model, [prompt], request)
    return answer_texts.text_pieces(model, batch, request)


def test_a_piece_comes_before_the_next_is_computed(monkeypatch):
    counts = []
    real = answer_texts.Decoding.advance
    monkeypatch.setattr(
        answer_texts.Decoding,
        "advance",
        lambda self, count: (counts.append(count), real(self, count))[1],
    )
    stream = pieces(max_new_tokens=20)
    assert next(stream) and counts == [1]
    assert next(stream) and len(counts) == 2


def test_nothing_is_computed_behind_a_stop_string(monkeypatch):
    whole = "".join(pieces(max_new_tokens=30))
    counts = []
    real = answer_texts.Decoding.advance
    monkeypatch.setattr(
        answer_texts.Decoding,
        "advance",
        lambda self, count: (counts.append(count), real(self, count))[1],
    )
    assert "".join(pieces(max_new_tokens=30, stop=whole[2])) == whole[:2]
    assert sum(counts) < 15


@pytest.mark.parametrize("max_new_tokens", [1, 2, 5, 6])
def test_an_answer_has_so_many_tokens(max_new_tokens):
    # Of one letter each.
    answer = "".join(pieces(max_new_tokens=max_new_tokens))
    tokens = talking_model().generate(
        "the cat", max_new_tokens=max_new_tokens, strip_prompt=True
    )
    assert answer == tokens
