import numpy as np
import pytest

from keras_gpt3.models.generate.answer_texts import AnswerTexts
from keras_gpt3.models.generate.token_answers import TokenAnswers
from tests.small_gpt3 import talking_model


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
