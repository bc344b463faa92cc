import re

import pytest

from keras_gpt3.converters.checkpoint_families import FAMILIES
from keras_gpt3.converters.config_key import HARMLESS_KEYS
from keras_gpt3.converters.config_key import REQUIRED_VALUES
from keras_gpt3.converters.config_key import SUMMARY_KEYS
from keras_gpt3.converters.config_key import ConfigKey

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


# === Known flags ===


def test_no_key_is_both_harmless_and_required():
    assert not HARMLESS_KEYS & set(REQUIRED_VALUES)


def test_the_summary_is_of_another_head():
    assert "summary_type" in SUMMARY_KEYS
    assert all(key.startswith("summary_") for key in SUMMARY_KEYS)


@pytest.mark.parametrize(
    "family", FAMILIES.values(), ids=lambda f: f.model_type
)
def test_no_key_that_a_family_reads_is_harmless_to_it(family):
    keys = [*family.renamed_keys.values(), *family.other_keys]
    names = {name for key in keys for name in key.names}
    harmless = HARMLESS_KEYS | family.harmless_keys
    assert not names & (harmless | set(REQUIRED_VALUES))
    assert not set(family.required_values) & harmless
