import pytest

from keras_gpt3.converters.checkpoint_family import comparable_arguments
from keras_gpt3.converters.checkpoint_family import complete_arguments
from keras_gpt3.converters.checkpoint_family import shortest_pattern
from keras_gpt3.layers.block_pattern import attention_kinds
from keras_gpt3.preset_loader import VARIANT_DEFAULTS

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
    assert complete_arguments(config) == {"num_layers": 3} | VARIANT_DEFAULTS
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
