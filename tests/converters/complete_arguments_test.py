import re

import pytest

from keras_gpt3.converters.checkpoint_families import FAMILIES
from keras_gpt3.converters.complete_arguments import HARMLESS_KEYS
from keras_gpt3.converters.complete_arguments import REQUIRED_VALUES
from keras_gpt3.converters.complete_arguments import SUMMARY_KEYS
from keras_gpt3.converters.complete_arguments import ConfigKey
from keras_gpt3.converters.complete_arguments import comparable_arguments
from keras_gpt3.converters.complete_arguments import complete_arguments
from keras_gpt3.converters.complete_arguments import shortest_pattern
from keras_gpt3.layers.block_pattern import attention_kinds
from keras_gpt3.preset_loader import SWITCHES

# === Complete arguments ===


ARGUMENTS = complete_arguments(
    {
        "num_layers": 4,
        "num_heads": 2,
        "hidden_dim": 8,
        "max_sequence_length": 20,
        "attention_pattern": ("dense", "banded"),
        "attention_window": 5,
    }
)


def compare(**overrides):
    return comparable_arguments(ARGUMENTS | overrides)


def test_a_config_of_a_backbone_loses_only_what_changes_no_number():
    config = {"num_layers": 3, "name": "b", "trainable": True, "dtype": "x"}
    assert complete_arguments(config) == {"num_layers": 3} | SWITCHES
    assert not complete_arguments({"use_bias": False})["use_bias"]


@pytest.mark.parametrize(
    "same",
    [
        {"attention_pattern": ["dense", "banded", "dense", "banded"]},
        {"attention_scale": 0.5},
        {"embedding_dim": 8},
    ],
)
def test_backbones_that_compute_the_same_compare_equal(same):
    assert compare(**same) == compare()


@pytest.mark.parametrize(
    "other",
    [
        {"attention_pattern": ["banded", "dense"]},
        {"attention_window": 6},
        {"attention_scale": 1.0},
        {"embedding_dim": 4},
        {"use_bias": False},
    ],
)
def test_backbones_that_compute_something_else_do_not(other):
    assert compare(**other) != compare()


def test_a_band_that_sees_the_whole_context_is_dense():
    assert compare(attention_window=20) == compare(attention_pattern=["dense"])
    assert compare(attention_window=19) != compare(attention_pattern=["dense"])


def test_the_fused_projection_has_no_bias_without_all_the_others():
    without = compare(use_bias=False)
    assert without == compare(use_bias=False, query_key_value_bias=False)


# === Config key ===


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


# === Layer pattern ===


def test_a_pattern_repeats_over_the_depth_and_may_end_amid():
    arguments = {"attention_pattern": ("a", "b", "c"), "num_layers": 5}
    assert attention_kinds(arguments) == ["a", "b", "c", "a", "b"]


@pytest.mark.parametrize(
    ("kinds", "pattern"),
    [
        ("aaaa", "a"),
        ("abab", "ab"),
        ("ababa", "ab"),
        ("abb", "abb"),
        ("abba", "abb"),
        ("aab", "aab"),
    ],
)
def test_the_shortest_pattern_gives_the_same_layers(kinds, pattern):
    assert shortest_pattern(list(kinds)) == list(pattern)
    arguments = {"attention_pattern": pattern, "num_layers": len(kinds)}
    assert attention_kinds(arguments) == list(kinds)
