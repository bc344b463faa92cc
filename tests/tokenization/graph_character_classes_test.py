import numpy as np
import tensorflow as tf

from keras_gpt3.tokenization.graph_word_splitting import END_OF_TEXT
from keras_gpt3.tokenization.graph_word_splitting import LETTER
from keras_gpt3.tokenization.graph_word_splitting import NOTHING
from keras_gpt3.tokenization.graph_word_splitting import NUMBER
from keras_gpt3.tokenization.graph_word_splitting import OTHER
from keras_gpt3.tokenization.graph_word_splitting import WHITESPACE
from keras_gpt3.tokenization.graph_word_splitting import character_classes
from keras_gpt3.tokenization.graph_word_splitting import class_table
from keras_gpt3.tokenization.graph_word_splitting import read_character_ranges
from tests.tokenization.make_character_classes import as_ranges
from tests.tokenization.make_character_classes import tiktoken_character_ranges

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
