import random

import pytest

from keras_gpt3.data.ngrams import ngrams
from keras_gpt3.data.ngrams import normalized_words
from keras_gpt3.data.ngrams import word_spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's a Cat -- the\tcat!", ["its", "a", "cat", "the", "cat"]),
        ("“Quoted” «text»… – $5 + 3", ["quoted", "text", "5", "3"]),
        ("a-b.c\u00a0ÉTÉ\n\nΑΣ, Σ", ["abc", "été", "ας", "σ"]),
        ("हिन्दी।", ["हिन्दी"]),
        (" ... !", []),
        ("", []),
    ],
)
def test_words_are_lower_cased_and_without_punctuation(text, words):
    assert normalized_words(text) == words


def test_spans_are_of_the_same_words():
    generator = random.Random(0)
    characters = "aB.'— \t\n\u00a0\u2003\x1f\u0130ß्Σ«9_"
    for _ in range(300):
        text = "".join(generator.choices(characters, k=12))
        spans = word_spans(text)
        parts = [normalized_words(text[start:end]) for start, end in spans]
        assert parts == [[word] for word in normalized_words(text)]


def test_ngrams_are_all_runs_in_order():
    assert ngrams(list("abca"), 2) == [("a", "b"), ("b", "c"), ("c", "a")]
    assert ngrams(list("ab"), 2) == [("a", "b")]
    assert ngrams(list("a"), 2) == ngrams([], 1) == []
