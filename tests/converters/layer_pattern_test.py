import pytest

from keras_gpt3.converters.complete_arguments import kinds_of_layers
from keras_gpt3.converters.complete_arguments import shortest_pattern


def test_a_pattern_repeats_over_the_depth_and_may_end_amid():
    arguments = {"attention_pattern": ("a", "b", "c"), "num_layers": 5}
    assert kinds_of_layers(arguments) == ["a", "b", "c", "a", "b"]


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
    assert kinds_of_layers(arguments) == list(kinds)
