import pickle

import numpy as np
import pytest

from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.corpus.shard.tokenize_part import StoredTokenizer
from keras_gpt3.corpus.shard.tokenize_part import tokenizer_digest
from keras_gpt3.data.documents import DocumentEncoder

TEXTS = ["Hello world", "", "A <|endoftext|> in a text", "É — 日本語\n\n  "]


@pytest.fixture(scope="module")
def tokenizer():
    return GPT3Tokenizer.from_preset("gpt3_small_en")


def test_it_encodes_documents_as_the_tokenizer_itself(tmp_path, tokenizer):
    stored = StoredTokenizer.store(tokenizer, tmp_path / "tokenizer")
    stored = pickle.loads(pickle.dumps(stored))
    found, expected = DocumentEncoder(stored), DocumentEncoder(tokenizer)
    for one, other in zip(
        found.encode(TEXTS), expected.encode(TEXTS), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    for name in ("dtype", "end_token_id", "vocabulary_size"):
        assert getattr(found, name) == getattr(expected, name)


def test_another_tokenizer_in_the_same_folder_is_read_anew(tmp_path, tokenizer):
    first = StoredTokenizer.store(tokenizer, tmp_path)
    assert [*first.encode_to_numpy("Hello")] == [15496]
    other = GPT3Tokenizer(tokenizer.vocabulary, tokenizer.merges[:20])
    second = StoredTokenizer.store(other, tmp_path)
    np.testing.assert_array_equal(
        second.encode_to_numpy("Hello"), other.encode_to_numpy("Hello")
    )
    assert len(second.encode_to_numpy("Hello")) > 1


def test_tokenizers_that_differ_have_other_digests(tokenizer):
    same = GPT3Tokenizer.from_preset("gpt3_small_en")
    assert tokenizer_digest(tokenizer) == tokenizer_digest(same)
    vocabulary, merges = tokenizer.vocabulary, tokenizer.merges
    for other in (
        GPT3Tokenizer(vocabulary, merges, end_token="!"),
        GPT3Tokenizer(vocabulary, merges, special_tokens=["!"]),
        GPT3Tokenizer(vocabulary, merges[:-1]),
    ):
        assert tokenizer_digest(tokenizer) != tokenizer_digest(other)
