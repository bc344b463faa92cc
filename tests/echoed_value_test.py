import ast
import pathlib

import numpy as np
import pytest

import keras_gpt3
from keras_gpt3.argument_checks import LIMIT
from keras_gpt3.argument_checks import cut_text
from keras_gpt3.argument_checks import echoed


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
