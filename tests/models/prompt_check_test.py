import re

import numpy as np
import pytest

from keras_gpt3.models.generate.prompt_batch import check_prompt


def refused(message, inputs):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_prompt(inputs)


def prompt(ids, mask):
    return {"token_ids": ids, "padding_mask": mask}


@pytest.mark.parametrize("mask", [[[1, 1, 1], [1, 0, 0]], [[True] * 3] * 2])
def test_a_prompt_of_lists_becomes_arrays(mask):
    received = check_prompt(prompt([[1, 2, 3], [4, 5, 6]], mask))
    np.testing.assert_array_equal(received["token_ids"], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(received["padding_mask"], mask)
    assert received["padding_mask"].dtype == "bool"


def test_strings_raise():
    refused(
        "A prompt must be a dict of token_ids and padding_mask where no "
        "preprocessor is attached. Received: type=str. Attach a "
        "GPT3Preprocessor, or tokenize first.",
        "hello",
    )


def test_a_key_that_is_missing_or_too_many_raises():
    message = (
        "A prompt must be a dict of token_ids and padding_mask. Received: "
        "keys={}. Pass both, each of shape (batch, length)."
    )
    refused(message.format(["token_ids"]), {"token_ids": [[1]]})
    more = prompt([[1]], [[True]]) | {"more": 1}
    refused(message.format(["more", "padding_mask", "token_ids"]), more)


@pytest.mark.parametrize(
    "ids, mask, shapes",
    [
        ([[1, 2]], [[True]], "(1, 2) and (1, 1)"),
        ([1, 2], [True, True], "(2,) and (2,)"),
    ],
)
def test_shapes_that_do_not_fit_raise(ids, mask, shapes):
    refused(
        "token_ids and padding_mask must share one shape (batch, length). "
        f"Received: shapes={shapes}. Pad shorter prompts on the right, and "
        "mark them in the mask.",
        prompt(ids, mask),
    )


def test_no_prompt_raises():
    refused(
        "inputs must hold at least one prompt. Received: prompts=0. Leave the "
        "empty batch out.",
        prompt(np.zeros((0, 3), "int32"), np.zeros((0, 3), "bool")),
    )


def test_an_empty_prompt_raises():
    refused(
        "A prompt must have at least one token. Received: padding_mask with "
        "no True in row 1. Start with the end-of-text id to start from "
        "nothing.",
        prompt([[1, 2], [3, 4]], [[True, False], [False, False]]),
    )


@pytest.mark.parametrize("mask", [[False, True, True], [True, False, True]])
def test_padding_before_or_inside_a_prompt_raises(mask):
    refused(
        "Padding must stand behind the prompt. Received: padding_mask with a "
        "False before a True. Pad on the right.",
        prompt([[1, 2, 3]], [mask]),
    )
