import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.tokenization.graph.word_splitting import END_OF_TEXT
from keras_gpt3.tokenization.graph.word_splitting import LETTER
from keras_gpt3.tokenization.graph.word_splitting import NOTHING
from keras_gpt3.tokenization.graph.word_splitting import NUMBER
from keras_gpt3.tokenization.graph.word_splitting import OTHER
from keras_gpt3.tokenization.graph.word_splitting import WHITESPACE
from keras_gpt3.tokenization.graph.word_splitting import character_classes
from keras_gpt3.tokenization.graph.word_splitting import class_table
from keras_gpt3.tokenization.graph.word_splitting import read_character_ranges
from keras_gpt3.tokenization.graph.word_splitting import split_words
from keras_gpt3.tokenization.graph.word_splitting import word_starts
from tests.tokenization.fuzz_texts import fuzz_texts
from tests.tokenization.make_character_classes import as_ranges
from tests.tokenization.make_character_classes import tiktoken_character_ranges
from tests.tokenization.slow_byte_pair_encoding import PATTERN

# === Graph word splitting ===


def split(texts):
    """The words of each text, as lists of str."""
    words, counts = split_words(tf.constant(texts, tf.string))
    words = iter([bytes(word).decode() for word in words.to_list()])
    return [list(itertools.islice(words, count)) for count in counts.numpy()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Hello world", ["Hello", " world"]),
        ("I'm we'd don't", ["I", "'m", " we", "'d", " don", "'t"]),
        ("'SHE'S", ["'", "SHE", "'", "S"]),
        ("'shell's", ["'s", "hell", "'s"]),
        ("'lll'l 'll", ["'ll", "l", "'", "l", " '", "ll"]),
        ("''s \n's", ["''", "s", " ", "\n", "'s"]),
        ("'r", ["'", "r"]),
        ("a   b\n\n c  ", ["a", "  ", " b", "\n\n", " c", "  "]),
        ("\u3000x \u3000", ["\u3000", "x", " \u3000"]),
        ("98 plus45!? é", ["98", " plus", "45", "!?", " é"]),
    ],
)
def test_splits_as_gpt_2_does(text, words):
    assert split([text]) == [words]
    assert PATTERN.findall(text) == words


def test_equals_the_pattern_on_all_short_texts_of_awkward_characters():
    characters = "'slrex1. \n"
    texts = [
        "".join(some)
        for length in range(5)
        for some in itertools.product(characters, repeat=length)
    ]
    assert split(texts) == [PATTERN.findall(text) for text in texts]


def test_equals_the_pattern_on_random_unicode():
    texts = list(fuzz_texts(300, seed=3))
    assert split(texts) == [PATTERN.findall(text) for text in texts]


def test_neighbouring_texts_do_not_touch():
    assert split(["a'", "s", " ", "b", "", "'", "re"]) == [
        ["a", "'"],
        ["s"],
        [" "],
        ["b"],
        [],
        ["'"],
        ["re"],
    ]


@pytest.mark.parametrize("texts", [[], [""], ["", "", ""]])
def test_no_text_has_no_words(texts):
    assert split(texts) == [[] for _ in texts]


def test_starts_are_those_of_characters():
    code_points = tf.strings.unicode_decode(["é  b", "", "'s"], "UTF-8")
    assert word_starts(code_points).to_list() == [
        [True, True, True, False],
        [],
        [True, False],
    ]


# === Graph character classes ===


CLASSES = {"letters": LETTER, "numbers": NUMBER, "whitespace": WHITESPACE}


def test_the_stored_ranges_are_what_tiktoken_does_today():
    stored = read_character_ranges()
    del stored["made_with"]
    assert stored == tiktoken_character_ranges()


def test_every_code_point_has_the_class_of_its_range():
    expected = np.full(0x110000, OTHER, "uint8")
    ranges = read_character_ranges()
    for name, character_class in CLASSES.items():
        for first, last in ranges[name]:
            expected[first : last + 1] = character_class
    classes = character_classes(tf.range(0x110000))
    assert classes.dtype == tf.uint8
    np.testing.assert_array_equal(classes, expected)


def test_the_end_of_a_text_is_of_no_character_s_class():
    assert character_classes(tf.constant([END_OF_TEXT]))[0] == NOTHING
    assert (class_table() == NOTHING).sum() == 1


def test_the_last_entry_stands_for_all_that_follow():
    assert class_table()[-1] == OTHER
    assert class_table()[-2] == LETTER


def test_ranges_are_runs_of_numbers():
    assert as_ranges([1, 2, 3, 7, 9, 10]) == [[1, 3], [7, 7], [9, 10]]
    assert as_ranges([]) == []
