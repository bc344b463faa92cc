import json
import re
import types

import pytest

from keras_gpt3.data import corpus_texts as module
from keras_gpt3.data import write_token_shards
from keras_gpt3.data.corpus_texts import CorpusTexts
from keras_gpt3.data.corpus_texts import DecodedDocuments

# === Corpus texts ===


def test_files_folders_and_shards_come_in_order(tmp_path, tokenizer):
    tokenizer.detokenize = lambda ids: "".join(map(chr, ids))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.jsonl").write_text(json.dumps({"text": "one"}))
    (folder / "b.txt").write_text("two")
    write_token_shards(["three", "four"], tmp_path / "shards", tokenizer)
    corpora = [tmp_path / "shards", str(folder / "b.txt"), folder]
    texts = CorpusTexts(corpora, tokenizer)
    assert texts.num_bytes_read == 0
    assert list(texts) == ["three", "four", "two", "one", "two"]
    assert texts.num_bytes_read == texts.num_bytes
    assert texts.num_bytes == 2 * 11 + 3 + len('{"text": "one"}') + 3


def test_shards_without_a_tokenizer_raise(tmp_path, tokenizer):
    write_token_shards(["one"], tmp_path, tokenizer)
    with pytest.raises(ValueError, match="must come with the tokenizer that "):
        CorpusTexts([tmp_path])


def test_a_path_that_names_nothing_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a file or a folder"):
        CorpusTexts([tmp_path / "absent"])


def test_shards_of_another_tokenizer_raise(tmp_path, tokenizer):
    shards = write_token_shards(["one"], tmp_path, tokenizer)
    other = types.SimpleNamespace(vocabulary_size=lambda: 7)
    message = (
        "Token shards must be decoded by the tokenizer that wrote them. "
        "Received: vocabulary_size=7, for shards of "
        f"{shards.vocabulary_size} in folder='{tmp_path}'. Pass the tokenizer "
        "of the model that was trained on them."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        CorpusTexts([tmp_path], other)


# === Decoded documents ===


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
