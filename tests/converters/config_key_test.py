import re

import pytest

from keras_gpt3.converters.complete_arguments import ConfigKey

WIDTH = ConfigKey("n_embd", "size", alias="hidden_size")


@pytest.mark.parametrize(
    "config",
    [
        {"n_embd": 8},
        {"hidden_size": 8},
        {"n_embd": 8, "hidden_size": 8},
    ],
)
def test_a_key_is_read_under_both_of_its_names(config):
    assert WIDTH.read(config) == 8


def test_a_key_that_is_not_there_has_its_default():
    assert ConfigKey("scale", "flag", True).read({}) is True
    assert ConfigKey("n_inner", "optional size", None).read({}) is None


def test_two_names_with_two_values_raise():
    message = (
        "n_embd and hidden_size in config.json must agree. Received: n_embd=8, "
        "hidden_size=9. Remove the wrong one."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        WIDTH.read({"n_embd": 8, "hidden_size": 9})


def test_a_key_without_default_must_be_there():
    message = (
        "config.json must hold n_embd. Received: keys=['model_type', "
        "'n_head']. Add n_embd with the value of the model."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        WIDTH.read({"n_head": 2, "model_type": "gpt2"})


@pytest.mark.parametrize(
    ("kind", "value", "asked"),
    [
        ("size", "12", "an integer of at least 1"),
        ("size", 0, "an integer of at least 1"),
        ("size", 8.0, "an integer of at least 1"),
        ("size", True, "an integer of at least 1"),
        ("size", None, "an integer of at least 1"),
        ("optional size", 0, "an integer of at least 1, or null"),
        ("number", "1e-5", "a finite number of at least 0"),
        ("number", -1.0, "a finite number of at least 0"),
        ("number", float("nan"), "a finite number of at least 0"),
        ("number", False, "a finite number of at least 0"),
        ("flag", 1, "true or false"),
        ("flag", "false", "true or false"),
        ("flag", None, "true or false"),
        ("text", None, "a string"),
        ("list", "global", "a list, or null"),
    ],
)
def test_a_value_of_another_type_is_named(kind, value, asked):
    message = (
        f"key in config.json must be {asked}. Received: key={value!r}. Write "
        "the value that the model was trained with."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ConfigKey("key", kind).read({"key": value})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("size", 1),
        ("optional size", None),
        ("number", 0),
        ("number", 1e-5),
        ("flag", False),
        ("text", "gelu"),
        ("list", []),
        ("list", None),
    ],
)
def test_a_value_of_its_type_is_read_as_it_is(kind, value):
    assert ConfigKey("key", kind).read({"key": value}) == value
