import asyncio

import numpy as np

from keras_gpt3.serving.slots.slot_answer import SlotAnswer
from keras_gpt3.serving.slots.slot_answer import SlotRequest
from keras_gpt3.serving.slots.slot_inputs import step_inputs


async def make_answers():
    return {
        0: SlotAnswer(SlotRequest([5, 6], 4, seed=3, top_k=2)),
        3: SlotAnswer(
            SlotRequest(
                [7],
                4,
                temperature=0.5,
                seed=4,
                presence_penalty=1.0,
                logit_bias=((8, 1.0), (9, -2.0)),
            )
        ),
    }


def test_each_slot_has_its_own_inputs_and_the_others_none():
    answers = asyncio.run(make_answers())
    texts = {0: [5, 6, 11], 3: [7, 12]}
    # Slot 1 has read 4 tokens of a prompt; slot 2 is free.
    found = step_inputs({0: 2, 1: 4, 3: 1}, answers, texts)
    expected = {
        "token_ids": [11, 0, 0, 12],
        "index": [3, 5, 1, 2],
        "seed": [3, 0, 0, 4],
        "prompt_length": [2, 0, 0, 1],
        "temperature": [1.0, 0.0, 0.0, 0.5],
        "top_k": [2, 0, 0, 0],
        "top_p": [1.0] * 4,
        "min_p": [0.0] * 4,
        "repetition_penalty": [1.0] * 4,
        "presence_penalty": [0.0, 0.0, 0.0, 1.0],
        "frequency_penalty": [0.0] * 4,
        # Without a penalty no history is copied.
        "history": [[0, 0]] * 3 + [[7, 12]],
        "history_length": [0, 0, 0, 2],
        "bias_token_ids": [[0, 0]] * 3 + [[8, 9]],
        "biases": [[0.0, 0.0]] * 3 + [[1.0, -2.0]],
    }
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_what_no_answer_asks_for_has_no_columns():
    answers = asyncio.run(make_answers())
    found = step_inputs({0: 1}, {0: answers[0]}, {0: [5, 6]})
    assert found["history"].shape == found["biases"].shape == (1, 0)
