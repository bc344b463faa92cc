import pytest

from keras_gpt3.converters.complete_arguments import shortest_pattern
from keras_gpt3.layers.block_pattern import attention_kinds


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
