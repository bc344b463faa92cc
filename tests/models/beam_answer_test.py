import numpy as np

from keras_gpt3.models.generate.answer_texts import BeamAnswer
from keras_gpt3.models.generate.answer_texts import beam_answers
from keras_gpt3.models.generate.prompt_batch import PromptBatch
from keras_gpt3.models.generate.token_answers import TokenAnswers


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
