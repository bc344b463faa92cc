import re

import numpy as np
import pytest
from keras import ops

from keras_gpt3.models.score.scoring_causal_lm import check_left_out
from keras_gpt3.models.score.scoring_causal_lm import token_form

IDS, MASK = np.ones((1, 3), "int32"), np.ones((1, 3), "bool")


@pytest.mark.parametrize(
    "continuation", ["text", ["text"], [3], [[3]], np.array([3])]
)
def test_texts_and_lists_are_continuations(continuation):
    assert token_form("context", continuation, None, None) is None
    assert token_form(IDS, continuation, None, None) is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((IDS, None, None, None), (IDS, None)),
        ((IDS, MASK, None, None), (IDS, MASK)),
        ((None, None, IDS, None), (IDS, None)),
        ((None, None, IDS, MASK), (IDS, MASK)),
        ((IDS, None, None, MASK), (IDS, MASK)),
        ((None, None, None, None), (None, None)),
    ],
)
def test_arrays_of_two_axes_are_ids_and_mask(arguments, expected):
    received = token_form(*arguments)
    assert all(x is y for x, y in zip(received, expected, strict=True))


def test_a_tensor_of_two_axes_is_a_mask():
    assert token_form(IDS, ops.convert_to_tensor(MASK), None, None) is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (IDS, None, IDS, None),
            "token_ids must be given once. Received: token_ids by name and "
            "type=ndarray in its place. Leave one out.",
        ),
        (
            (IDS, MASK, None, MASK),
            "padding_mask must be given once. Received: padding_mask by name "
            "and type=ndarray in its place. Leave one out.",
        ),
        (
            (None, "text", IDS, None),
            "continuation must come with a context, not with token_ids or "
            "padding_mask. Received: type=str. Pass context and continuation "
            "only.",
        ),
    ],
)
def test_a_mixture_of_the_forms_raises(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        token_form(*arguments)


def test_the_defaults_of_the_other_form_may_stand():
    check_left_out({"scoring_mode": "logits", "target_ids": None}, "texts")
    check_left_out({"top_n": 0, "batch_size": 8, "prefix": None}, "token_ids")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scoring_mode", "loss"),
        ("target_ids", IDS),
        ("top_n", 2),
        ("truncate", "left"),
    ],
)
def test_an_argument_of_the_other_form_raises(name, value):
    message = (
        f"{name} must be left out where texts are scored. Received: {name} of "
        f"type {type(value).__name__}. See GPT3.score for the arguments of its "
        "two forms."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_left_out({name: value}, "texts")
