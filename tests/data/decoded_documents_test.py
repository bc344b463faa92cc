import types

import pytest

from keras_gpt3.data import corpus_texts as module
from keras_gpt3.data import write_token_shards
from keras_gpt3.data.corpus_texts import DecodedDocuments

TEXTS = ["once upon", "", "a" * 40, "", "b", "time"]


@pytest.fixture
def decoder(tokenizer):
    """The tokenizer of the shards, with a way back."""
    tokenizer.detokenize = lambda ids: "".join(map(chr, ids))
    return tokenizer


@pytest.mark.parametrize("num_tokens", [1, 2, 7, 10, 11, 1000])
@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:3]])
def test_texts_come_back_whatever_is_read_at_a_time(
    tmp_path, decoder, monkeypatch, num_tokens, texts
):
    monkeypatch.setattr(module, "_NUM_TOKENS", num_tokens)
    shards = write_token_shards(texts, tmp_path, decoder, tokens_per_shard=9)
    documents = DecodedDocuments(shards, decoder)
    assert documents.num_bytes_read == 0
    assert list(documents) == texts
    assert documents.num_bytes_read == documents.num_bytes
    assert documents.num_bytes == 2 * (sum(map(len, texts)) + len(texts))


def test_a_document_without_its_end_is_one(tmp_path, decoder):
    shards = write_token_shards(TEXTS, tmp_path, decoder)
    cut = types.SimpleNamespace(
        vocabulary_size=shards.vocabulary_size,
        end_token_id=shards.end_token_id,
        num_tokens=shards.num_tokens - 2,
        read=shards.read,
    )
    cut.dtype = shards.dtype
    assert list(DecodedDocuments(cut, decoder)) == [*TEXTS[:-1], "tim"]


def test_the_tokenizer_of_another_model_raises(tmp_path, decoder):
    shards = write_token_shards(TEXTS, tmp_path, decoder)
    decoder.end_token_id += 1
    with pytest.raises(ValueError, match="vocabulary_size=301, for shards of "):
        DecodedDocuments(shards, decoder)
