import random
import re

import numpy as np
import pytest

from keras_gpt3.data import ngrams as module
from keras_gpt3.data.ngrams import NgramIndex
from keras_gpt3.data.ngrams import ngrams
from keras_gpt3.data.ngrams import normalized_words
from keras_gpt3.data.ngrams import word_spans

# === Ngrams ===


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


# === Ngram index ===


def random_texts(count, seed, words="abcdefg", longest=30):
    generator = random.Random(seed)
    return [
        generator.choices(words, k=generator.randrange(longest))
        for _ in range(count)
    ]


def slow_find(texts, n, searched):
    """For each shared n-gram its position and the texts that hold it."""
    sets = [set(ngrams(text, n)) for text in texts]
    found = {}
    for position, gram in enumerate(ngrams(searched, n)):
        holding = [i for i, grams in enumerate(sets) if gram in grams]
        if holding:
            found[position] = holding
    return found


def find(index, searched):
    positions, numbers = index.find(searched)
    return {
        int(position): index.texts_of([number]).tolist()
        for position, number in zip(positions, numbers, strict=True)
    }


@pytest.mark.parametrize("n", [1, 2, 3, 5, 13])
def test_what_is_found_is_what_sets_of_tuples_hold(n):
    texts = random_texts(40, seed=n)
    index = NgramIndex(texts, n)
    assert index.num_ngrams == len({g for t in texts for g in ngrams(t, n)})
    # "x" and "y" are in no text; 60 words hold many n-grams of any length.
    for searched in random_texts(60, 100 + n, "abcdefgxy", longest=60):
        assert find(index, searched) == slow_find(texts, n, searched)


def test_planted_ngrams_are_all_found_and_nothing_else():
    generator = random.Random(0)
    words = [f"word{i}" for i in range(2000)]
    texts = [generator.choices(words, k=40) for _ in range(30)]
    index = NgramIndex(texts, 13)
    searched = generator.choices(words, k=5000)
    planted = {}
    for position in range(100, 4900, 200):
        text = generator.randrange(30)
        start = generator.randrange(28)
        searched[position : position + 13] = texts[text][start : start + 13]
        planted[position] = [text]
    assert find(index, searched) == planted


def test_a_hash_that_two_ngrams_share_gives_no_wrong_answer(monkeypatch):
    texts = [list("abc"), list("bca")]
    # By this multiplier only the last word counts: "za" looks like "ca".
    monkeypatch.setattr(module, "_MULTIPLIERS", (0, 3))
    assert find(NgramIndex([list("ca")], 2), list("aacaa")) == {2: [0]}
    # Here the index's own n-grams share one, so that the next one is taken.
    index = NgramIndex(texts + [list("aa")], 2)
    assert index._multiplier == 3
    assert find(index, list("bcaa")) == {0: [0, 1], 1: [1], 2: [2]}


def test_ngrams_that_cannot_be_told_apart_raise(monkeypatch):
    monkeypatch.setattr(module, "_MULTIPLIERS", (0, 0))
    message = (
        "The n-grams of the texts must have hashes of their own. Received: 2 "
        "n-grams that share some. Divide the texts among several indexes."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        NgramIndex([list("ab"), list("bb")], 2)


@pytest.mark.parametrize("texts", [[], [[]], [["a"], ["b", "a"]]])
def test_texts_that_are_too_short_hold_nothing(texts):
    index = NgramIndex(texts, 3)
    assert index.num_ngrams == 0
    for searched in ([], ["a"], list("abab")):
        positions, numbers = index.find(searched)
        assert positions.size == numbers.size == 0
    assert index.texts_of(np.zeros(0, "int64")).tolist() == []


def test_words_are_compared_in_rows_that_the_found_need_not_fill(monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 4)
    texts = random_texts(3, 0, "ab")
    searched = random_texts(1, 4, "ab", longest=40)[0]
    assert find(NgramIndex(texts, 2), searched) == slow_find(texts, 2, searched)


@pytest.mark.parametrize("n", [0, 1.5, None])
def test_n_must_be_a_number_of_words(n):
    with pytest.raises(ValueError, match=f"Received: n={n}"):
        NgramIndex([], n)
