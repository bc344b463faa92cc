import re
import sys

import pytest

from keras_gpt3.evaluation.task_definitions import word_scrambling
from keras_gpt3.evaluation.task_definitions.word_scrambling import (
    SCRAMBLING_TASKS,
)
from keras_gpt3.evaluation.task_definitions.word_scrambling import (
    frequent_words,
)
from keras_gpt3.evaluation.task_definitions.word_scrambling import (
    word_scrambling_records,
)
from tests.evaluation.published_records import published
from tests.evaluation.rebuilt_records import rebuilt_word

# === Word scrambling ===


PUBLISHED = [
    (task_name, record)
    for task_name in ("cycle_letters_in_word", "random_insertion_in_word")
    for record in published(task_name)
]
# Sixty different words of six letters.
WORDS = [f"{a}{b}{c}der" for a in "abc" for b in "fghi" for c in "klmno"]


def pairs(task_name, words=WORDS, **kwargs):
    """The scrambled and the right word of each record."""
    records = word_scrambling_records(task_name, words=words, **kwargs)
    return [
        (record["context"][1:-2], record["completion"][1:])
        for record in records
    ]


@pytest.mark.parametrize(("task_name", "record"), PUBLISHED)
def test_a_published_record_can_be_rebuilt(task_name, record):
    assert rebuilt_word(task_name, record) == record


@pytest.mark.parametrize("task_name", SCRAMBLING_TASKS)
def test_a_generated_record_has_their_form(task_name):
    for record in word_scrambling_records(task_name, words=WORDS):
        assert re.fullmatch(r"\n\S.*\S =", record["context"])
        assert re.fullmatch(r" [a-z]{6}", record["completion"])
        assert rebuilt_word(task_name, record) == record


def test_cycled_letters_are_a_rotation():
    starts = {
        (word + word).index(scrambled)
        for scrambled, word in pairs("cycle_letters_in_word")
    }
    assert starts == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("task_name", "kept"), [("anagrams_1", 1), ("anagrams_2", 2)]
)
def test_an_anagram_keeps_letters_at_both_ends(task_name, kept):
    for scrambled, word in pairs(task_name):
        assert scrambled[:kept] == word[:kept]
        assert scrambled[-kept:] == word[-kept:]
        assert sorted(scrambled) == sorted(word)


def test_a_mark_is_inserted_between_every_two_letters():
    marks = ""
    for scrambled, word in pairs("random_insertion_in_word"):
        assert scrambled[::2] == word
        marks += scrambled[1::2]
    assert set(marks) == set(" ./!")
    # Of 300 marks 75 are expected of each kind, with a deviation of 7.5.
    assert all(45 < marks.count(mark) < 105 for mark in " ./!")


def test_words_are_reversed():
    assert all(s == word[::-1] for s, word in pairs("reversed_words"))


@pytest.mark.parametrize("task_name", SCRAMBLING_TASKS)
def test_a_word_is_not_scrambled_to_itself(task_name):
    # Of cycled ones two in five, of the middle two letters' orders one in two.
    words = [f"{a}{b}" * 3 for a in "abcde" for b in "vwxyz"]
    scrambled = pairs(task_name, words)
    assert all(given != word for given, word in scrambled)


@pytest.mark.parametrize(
    ("task_name", "word"),
    [
        ("cycle_letters_in_word", "aaaaa"),
        ("anagrams_1", "sooon"),
        ("anagrams_2", "yellow"),
        ("reversed_words", "level"),
    ],
)
def test_a_word_that_cannot_change_stays(task_name, word):
    assert pairs(task_name, [word]) == [(word, word)]


@pytest.mark.parametrize("task_name", SCRAMBLING_TASKS)
def test_the_first_records_are_those_of_a_smaller_count(task_name):
    records = pairs(task_name)
    assert pairs(task_name, count=10) == records[:10]
    assert {word for _, word in records} == set(WORDS)
    assert pairs(task_name, seed=1) != records


def test_tested_words_are_the_most_frequent_and_others_demonstrate(monkeypatch):
    monkeypatch.setattr(word_scrambling, "_COUNTS", {"test": 5, "train": 3})
    monkeypatch.setattr(
        word_scrambling,
        "frequent_words",
        lambda count, shortest: WORDS[shortest : shortest + count],
    )
    tested = {word for _, word in pairs("anagrams_1", None)}
    shown = {word for _, word in pairs("anagrams_1", None, split="train")}
    assert tested == set(WORDS[5:10])
    assert shown == set(WORDS[10:13])
    # Of five letters only the middle one could be shuffled.
    assert {word for _, word in pairs("anagrams_2", None)} == set(WORDS[6:11])


def test_all_words_of_the_paper_are_tested():
    pytest.importorskip("wordfreq")
    tested = pairs("reversed_words", None)
    shown = pairs("reversed_words", None, split="train")
    words = {word for _, word in tested}, {word for _, word in shown}
    assert tuple(map(len, words)) == (10_000, 2_000)
    assert words[0].isdisjoint(words[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"task_name": "anagrams_3"},
            "task_name must be one of cycle_letters_in_word, anagrams_1, "
            "anagrams_2, random_insertion_in_word, reversed_words. Received: "
            "task_name='anagrams_3'. Did you mean 'anagrams_2'?",
        ),
        (
            {"split": "dev"},
            "split must be one of test, train. Received: split='dev'. Use one "
            "of these.",
        ),
        (
            {"count": 61},
            "count must be at most the number of words, 60. Received: "
            "count=61. Request fewer.",
        ),
        (
            {"words": ["casino", "four"]},
            "A word must have at least 5 letters. Received: 'four' among "
            "words. Remove it.",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    arguments = {"task_name": "anagrams_1", "words": WORDS} | arguments
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        word_scrambling_records(**arguments)


@pytest.mark.parametrize(
    ("task_name", "scrambled"),
    [
        ("cycle_letters_in_word", "ainocs"),
        ("cycle_letters_in_word", "casino"),
        ("anagrams_1", "casinu"),
        ("anagrams_2", "csaino"),
        ("random_insertion_in_word", "c?a.s.i.n.o"),
        ("random_insertion_in_word", "c.a.s.i.no"),
        ("reversed_words", "casino"),
    ],
)
def test_what_the_task_does_not_do_is_not_rebuilt(task_name, scrambled):
    record = {"context": f"\n{scrambled} =", "completion": " casino"}
    assert rebuilt_word(task_name, record) is None


# === Frequent words ===


pytest.importorskip("wordfreq")


def test_words_are_in_order_of_frequency():
    assert frequent_words(4) == ["about", "their", "there", "which"]


def test_words_are_different_and_of_letters_only():
    words = frequent_words()
    assert len(set(words)) == 10_000
    assert all(re.fullmatch("[a-z]{5,14}", word) for word in words)
    # Both bounds occur.
    assert {5, 14} <= {len(word) for word in words}


def test_the_lengths_may_be_others():
    lengths = {len(word) for word in frequent_words(500, 6, 15)}
    assert min(lengths) == 6


def test_too_many_words_are_an_error():
    message = (
        r"^count must be at most \d+ for words of 30 to 31 letters. Received: "
        r"count=1000. Request fewer.$"
    )
    with pytest.raises(ValueError, match=message):
        frequent_words(1000, 30, 31)


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    message = (
        r"^Frequent words must come from the package wordfreq. Received: .*. "
        r"Install it with pip install 'keras-gpt3\[evaluate\]'.$"
    )
    with pytest.raises(ImportError, match=message):
        frequent_words(1)
