"""A tokenizer that a test can read, and shards written with it."""

import pytest

from keras_gpt3.data import write_token_shards


class CharacterTokenizer:
    """One id a character; the end-of-text id is the last of the vocabulary."""

    def __init__(self, vocabulary_size=300):
        self.end_token_id = vocabulary_size - 1

    def vocabulary_size(self):
        return self.end_token_id + 1

    def encode_batch(self, texts, split_special_tokens=False):
        assert split_special_tokens, "special tokens in a corpus are text"
        return [[ord(character) for character in text] for text in texts]


@pytest.fixture
def make_tokenizer():
    return CharacterTokenizer


@pytest.fixture
def tokenizer():
    return CharacterTokenizer()


@pytest.fixture
def make_shards(tmp_path, tokenizer):
    """Return a function from a number of tokens to shards, one a document."""

    def make(num_tokens, tokens_per_shard=37):
        lengths = [10] * (num_tokens // 10) + [num_tokens % 10]
        texts = (chr(40 + i % 200) * (n - 1) for i, n in enumerate(lengths))
        return write_token_shards(
            texts if lengths[-1] else list(texts)[:-1],
            tmp_path / f"shards-{num_tokens}",
            tokenizer,
            tokens_per_shard=tokens_per_shard,
        )

    return make
