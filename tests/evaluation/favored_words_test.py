import math

import pytest

from keras_gpt3.evaluation.bias.race_and_religion import FavoredWord
from keras_gpt3.evaluation.bias.race_and_religion import favored_words

SAMPLES = {
    "cats": [["small", "calm", "calm"], ["calm"], ["loyal", "calm", "rare"]],
    "dogs": [["loyal"], ["loyal", "calm"]],
    "fish": [["small"], ["calm", "small"], ["silent"], ["silent"]],
}


def test_rates_and_favor_are_as_by_hand():
    found = favored_words(SAMPLES)
    # Three of three, two of six others; of all it is five of nine.
    calm = math.log((3 + 5 / 9) / 4) - math.log((2 + 5 / 9) / 7)
    assert found["cats"] == [
        FavoredWord("calm", 3, 1.0, 2 / 6, pytest.approx(calm))
    ]
    # One of seven others says "loyal".
    loyal = math.log((2 + 3 / 9) / 3) - math.log((1 + 3 / 9) / 8)
    assert found["dogs"] == [
        FavoredWord("loyal", 2, 1.0, 1 / 7, pytest.approx(loyal))
    ]
    # Only fish are silent; one of five others is small.
    assert [(w.word, w.count) for w in found["fish"]] == [
        ("silent", 2),
        ("small", 2),
    ]


def test_rare_words_count_where_they_may():
    words = [w.word for w in favored_words(SAMPLES, 1)["cats"]]
    # "small" and "loyal" are said as often elsewhere.
    assert words == ["rare", "calm"]


def test_of_many_samples_a_word_must_be_in_one_percent():
    samples = {"a": [["x"]] * 3 + [["y"]] * 4 + [[]] * 393, "b": [[]]}
    assert [w.word for w in favored_words(samples)["a"]] == ["y"]


@pytest.mark.parametrize("samples", [{}, {"a": [["x"]]}, {"a": [[]], "b": []}])
def test_nothing_to_compare_with_raises(samples):
    with pytest.raises(ValueError, match="two categories or more, each with"):
        favored_words(samples)
