"""Special tokens found in a graph, against a search in Python."""

import itertools
import re

import pytest
import tensorflow as tf

from keras_gpt3.tokenization.graph_byte_pair_encoding import encode_around
from keras_gpt3.tokenization.graph_byte_pair_encoding import split_at

END = "<|end|>"
TEXTS = [
    "".join(parts)
    for parts in itertools.product([END, "a", "\n", "<|end|", "é\0"], repeat=3)
]
# Regular expressions give a meaning to most of these characters.
AWKWARD = ["<é [x]>", r"\1\0", "a.*b", "#-& ~", "\n$^", "(|)?{2}"]


def pieces_of(texts, tokens):
    pieces = tf.function(split_at)(tf.constant(texts, tf.string), tokens)
    return [[x.decode() for x in row] for row in pieces.to_list()]


def test_texts_are_cut_where_python_cuts_them():
    expected = [re.split(f"({re.escape(END)})", text) for text in TEXTS]
    assert pieces_of(TEXTS, [END]) == expected
    assert sum(len(row) == 7 for row in expected) == 1


def test_no_character_of_a_token_has_a_meaning_of_its_own():
    texts = ["x".join(AWKWARD), "".join(AWKWARD), "aXb", "1", ""]
    pattern = "|".join(map(re.escape, AWKWARD))
    expected = [re.split(f"({pattern})", text) for text in texts]
    assert pieces_of(texts, AWKWARD) == expected
    assert [len(row) for row in expected] == [13, 13, 1, 1, 1]


def test_no_texts_have_no_pieces():
    assert pieces_of([], [END]) == []


@pytest.mark.parametrize("texts", [TEXTS[:40], [], [""], [END * 3]])
def test_what_lies_between_is_encoded_by_itself(texts):
    seen = []

    def encode(pieces):
        seen.append(pieces)
        return tf.strings.unicode_decode(pieces, "UTF-8")

    @tf.function
    def encode_all(texts):
        return encode_around(texts, {END: 2_000_000, "<|": -1}, encode)

    ids = encode_all(tf.constant(texts, tf.string))
    assert ids.dtype == tf.int32 and len(seen) == 1
    special = {END: [2_000_000], "<|": [-1]}
    expected = [
        [
            id
            for piece in re.split(r"(<\|end\|>|<\|)", text)
            for id in special.get(piece, map(ord, piece))
        ]
        for text in texts
    ]
    assert ids.to_list() == expected
