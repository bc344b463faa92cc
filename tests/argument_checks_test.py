import ast
import pathlib
import re

import numpy as np
import pytest

import keras_gpt3
from keras_gpt3.argument_checks import LIMIT
from keras_gpt3.argument_checks import check_choice
from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import check_number
from keras_gpt3.argument_checks import cut_text
from keras_gpt3.argument_checks import echoed

# === Numbers ===


@pytest.mark.parametrize("value", [3, 4, np.int64(3)])
def test_integers_from_the_minimum_on_pass(value):
    check_integer("size", value, minimum=3)


@pytest.mark.parametrize("value", [2, -1, 3.0, "3", None, True])
def test_what_is_no_such_integer_is_an_error_that_names_the_argument(value):
    message = (
        f"size must be an integer of at least 3. Received: size={value!r}. "
        "Pass 3 or more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_integer("size", value, minimum=3)


@pytest.mark.parametrize(
    ("value", "bound"),
    [(-1, ""), (1e-9, "above 0"), (0.0, "of at least 0"), (np.float32(2), "")],
)
def test_finite_numbers_within_their_bound_pass(value, bound):
    check_number("rate", value, "Pass more.", bound)


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (0, "above 0"),
        (-1e-9, "of at least 0"),
        (float("inf"), ""),
        (float("nan"), "above 0"),
        ("1", ""),
        (True, ""),
    ],
)
def test_another_number_is_an_error_with_the_remedy(value, bound):
    message = (
        f"rate must be a finite number {bound}".rstrip()
        + f". Received: rate={value!r}. Pass more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_number("rate", value, "Pass more.", bound)


# === Choices ===


def test_one_of_the_names_passes():
    check_choice("split", "test", ("train", "test"))


@pytest.mark.parametrize(
    ("value", "hint"),
    [("tests", "Did you mean 'test'?"), (None, "Use one of these.")],
)
def test_another_is_an_error_that_offers_the_closest(value, hint):
    message = (
        f"split must be one of train, test. Received: split={value!r}. {hint}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_choice("split", value, ("train", "test"))


# === Values in errors ===


@pytest.mark.parametrize(
    "value", [None, "it's", 1.5, [1, "a"], {"a": {"b": (1, 2)}}, "x" * 190]
)
def test_what_is_short_is_shown_as_python_does(value):
    assert echoed(value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**7,
        b"x" * 10**6,
        {"x" * 10**6: ["x" * 10**6] * 100},
        list(range(10**6)),
        [["x" * 100] * 100] * 100,
        10**5000,
        10**1000,
        np.ones(10**6),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_long_is_cut(value):
    assert len(echoed(value)) <= LIMIT


def test_a_cut_text_keeps_both_ends():
    assert cut_text("abcdefgh", limit=7) == "ab...gh"
    assert cut_text("abcdefg", limit=7) == "abcdefg"


def test_errors_show_values_cut():
    """A value may be a text of megabytes, wherever it comes from."""
    whole = []
    for path in pathlib.Path(keras_gpt3.__file__).parent.rglob("*.py"):
        source = path.read_text("utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Raise):
                text = ast.get_source_segment(source, node)
                if "Received" in text and "!r}" in text:
                    whole.append(f"{path.name}:{node.lineno}")
    assert whole == []
