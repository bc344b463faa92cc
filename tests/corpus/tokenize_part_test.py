import pytest

from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.part_file import StagePart
from keras_gpt3.corpus.pipeline.part_file import written_part
from keras_gpt3.corpus.shard import tokenize_part
from keras_gpt3.corpus.shard.tokenize_part import StoredTokenizer
from keras_gpt3.corpus.shard.tokenize_part import TokenizedPart
from keras_gpt3.corpus.shard.tokenize_part import TokenizePart
from keras_gpt3.corpus.shard.tokenize_part import shuffle_key
from keras_gpt3.corpus.shard.tokenize_part import tokens_path

DOCUMENTS = [
    Document("a", "novels", "Once upon a time"),
    Document("b", "novels", ""),
    Document("c#0", "novels", "A piece<|endoftext|>", extra={"piece_of": "c"}),
    Document("c#1", "novels", "Another", extra={"piece_of": "c"}),
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    tokenizer = GPT3Tokenizer.from_preset("gpt3_small_en")
    folder = tmp_path_factory.mktemp("tokenizer")
    return StoredTokenizer.store(tokenizer, folder)


@pytest.mark.parametrize("batch", [(99, 1), (3, 99), (99, 2**17)])
def test_documents_are_tokenized_with_their_keys(
    tmp_path, tokenizer, batch, monkeypatch
):
    monkeypatch.setattr(tokenize_part, "_BATCH", batch)
    path = str(tmp_path / "in.jsonl.zst")
    with written_part(path) as write:
        for document in DOCUMENTS:
            write(document)
    part = StagePart("novels", "part-00000", str(tmp_path), path, "1f")
    counts = TokenizePart(tokenizer, 3, 0.5)(part)
    found = TokenizedPart(
        tokens_path(tmp_path, "novels", "part-00000"), "uint16"
    ).read(0, 2**64)
    expected = {
        shuffle_key(3, "novels", document.id): [
            *tokenizer.encode_to_numpy(document.text, True),
            50256,
        ]
        for document in DOCUMENTS
    }
    assert {key: [*tokens] for key, tokens, _ in found} == expected
    assert counts["tokens"] == sum(map(len, expected.values()))
    assert counts["documents_out"] == 4
    sides = {key: is_held_out for key, _, is_held_out in found}
    pieces = [sides[shuffle_key(3, "novels", f"c#{i}")] for i in range(2)]
    assert pieces[0] == pieces[1]
