"""Seeded random texts of any characters, assigned or not."""

import random
import sys
import unicodedata

from keras_gpt3.tokenization.graph.word_splitting import read_character_ranges
from tests.tokenization.fuzz_texts import fuzz_texts

APOSTROPHES = "'s 't 're 've 'm 'll 'd 'S 'l 'r 'v ' '' s t r e v m l d".split()
SPACES = [" ", "  ", "\n", "   "]
NONCHARACTERS = list("\ufffe\uffff\ufdd0\ufdef\U0001fffe\U0010ffff")
OTHERS = list("\x00\x7f\u00ad\ufeff\ufffd\ue000._-") + ["\U0001f9d1\u200d"]


def any_unicode_texts(count, seed):
    """Yields the assigned characters' mixtures, and as many of all characters.

    Args:
        count: int. How many, at least 2.
        seed: int.

    Yields:
        str.
    """
    yield from fuzz_texts(count // 2, seed)
    choices = random.Random(seed)
    pools = [APOSTROPHES, SPACES, NONCHARACTERS, OTHERS, *new_characters()]
    pools += [whitespace(), list("aeéß中ᾳ"), list("0٣½")]
    for _ in range(count - count // 2):
        some = choices.sample(pools, choices.randint(1, len(pools)))
        pieces = [
            choices.choice(choices.choice(some))
            for _ in range(choices.randint(0, 40))
        ]
        pieces += map(any_character, [choices] * choices.randint(0, 3))
        choices.shuffle(pieces)
        yield "".join(pieces)


def any_character(choices):
    """One character of all that UTF-8 can carry."""
    number = choices.randrange(sys.maxunicode + 1 - 0x800)
    return chr(number if number < 0xD800 else number + 0x800)


def whitespace():
    """Every whitespace character."""
    ranges = read_character_ranges()["whitespace"]
    return [chr(c) for first, last in ranges for c in range(first, last + 1)]


def new_characters():
    """Two lists, of letters and of numbers that Unicode 3.2 had not."""
    ranges = read_character_ranges()
    return [
        [
            chr(c)
            for first, last in ranges[name]
            for c in range(first, last + 1)
            if unicodedata.ucd_3_2_0.category(chr(c)) == "Cn"
        ]
        for name in ("letters", "numbers")
    ]
