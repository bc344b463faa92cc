"""Tests of turning documents into ids, against one document at a time."""

import re

import numpy as np
import pytest

import keras_gpt3
from keras_gpt3.data.documents import DocumentEncoder


class ArrayTokenizer:
    """One id a character, a text at a time, as an array."""

    end_token_id = 299

    def vocabulary_size(self):
        return 300

    def encode_to_numpy(self, text, split_special_tokens=False):
        assert split_special_tokens, "special tokens in a corpus are text"
        return np.array([*map(ord, text)], "uint32")


@pytest.mark.parametrize("as_arrays", [False, True])
@pytest.mark.parametrize(
    "texts", [["one", "", "three"], [""], ["", ""], ["é<|endoftext|>"]]
)
def test_each_document_is_its_ids_and_its_end(tokenizer, texts, as_arrays):
    tokenizer = ArrayTokenizer() if as_arrays else tokenizer
    documents = DocumentEncoder(tokenizer).encode(texts)
    assert [document.tolist() for document in documents] == [
        [*map(ord, text), 299] for text in texts
    ]


def test_ids_are_asked_for_as_arrays_where_the_tokenizer_has_them(
    tokenizer, monkeypatch
):
    arrays = ArrayTokenizer().encode_to_numpy
    monkeypatch.setattr(tokenizer, "encode_to_numpy", arrays, raising=False)
    monkeypatch.delattr(type(tokenizer), "encode_batch")
    (document,) = DocumentEncoder(tokenizer).encode(["a"])
    assert document.tolist() == [97, 299]


@pytest.mark.parametrize(
    ("vocabulary_size", "dtype"), [(65536, "uint16"), (65537, "uint32")]
)
def test_ids_have_the_smallest_type_that_holds_them(
    make_tokenizer, vocabulary_size, dtype
):
    encoder = DocumentEncoder(make_tokenizer(vocabulary_size))
    (document,) = encoder.encode(["a"])
    assert encoder.dtype == document.dtype == dtype
    assert document.tolist() == [97, vocabulary_size - 1]


@pytest.mark.parametrize(("low", "high"), [(97, 300), (-1, 299)])
@pytest.mark.parametrize("as_arrays", [False, True])
def test_an_id_outside_the_vocabulary_is_an_error(
    tokenizer, as_arrays, low, high
):
    if as_arrays:
        tokenizer = ArrayTokenizer()
        tokenizer.encode_to_numpy = lambda text, **_: np.array([high, low])
    else:
        tokenizer.encode_batch = lambda texts, **_: [[high, low]]
    message = (
        "Token ids must lie from 0 to vocabulary_size - 1. Received: ids from "
        f"{low} to {high}, vocabulary_size=300. Pass a tokenizer that counts "
        "all of its ids."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DocumentEncoder(tokenizer).encode(["a"])


def test_the_tokenizer_of_a_preset_treats_special_tokens_as_text():
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    text = "Once<|endoftext|> upon"
    (document,) = DocumentEncoder(tokenizer).encode([text])
    assert document[-1] == 50256
    assert 50256 not in document[:-1]
    assert tokenizer.detokenize(document[:-1]) == text
