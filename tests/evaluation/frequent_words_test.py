import re
import sys

import pytest

from keras_gpt3.evaluation.task_definitions.word_scrambling import (
    frequent_words,
)

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
        r"count=1000. Ask for fewer.$"
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
