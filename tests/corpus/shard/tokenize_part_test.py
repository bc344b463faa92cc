import pickle

import numpy as np
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
from keras_gpt3.corpus.shard.tokenize_part import tokenizer_digest
from keras_gpt3.corpus.shard.tokenize_part import tokens_path
from keras_gpt3.data.documents import DocumentEncoder

# === Tokenize part ===


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


# === Stored tokenizer ===


TEXTS = ["Hello world", "", "A <|endoftext|> in a text", "É — 日本語\n\n  "]


@pytest.fixture(scope="module")
def small_tokenizer():
    return GPT3Tokenizer.from_preset("gpt3_small_en")


def test_it_encodes_documents_as_the_tokenizer_itself(
    tmp_path, small_tokenizer
):
    stored = StoredTokenizer.store(small_tokenizer, tmp_path / "tokenizer")
    stored = pickle.loads(pickle.dumps(stored))
    found, expected = (
        DocumentEncoder(stored),
        DocumentEncoder(small_tokenizer),
    )
    for one, other in zip(
        found.encode(TEXTS), expected.encode(TEXTS), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    for name in ("dtype", "end_token_id", "vocabulary_size"):
        assert getattr(found, name) == getattr(expected, name)


def test_another_tokenizer_in_the_same_folder_is_read_anew(
    tmp_path, small_tokenizer
):
    first = StoredTokenizer.store(small_tokenizer, tmp_path)
    assert [*first.encode_to_numpy("Hello")] == [15496]
    other = GPT3Tokenizer(
        small_tokenizer.vocabulary,
        small_tokenizer.merges[:20],
    )
    second = StoredTokenizer.store(other, tmp_path)
    np.testing.assert_array_equal(
        second.encode_to_numpy("Hello"), other.encode_to_numpy("Hello")
    )
    assert len(second.encode_to_numpy("Hello")) > 1


def test_tokenizers_that_differ_have_other_digests(
    small_tokenizer,
):
    same = GPT3Tokenizer.from_preset("gpt3_small_en")
    assert tokenizer_digest(small_tokenizer) == tokenizer_digest(same)
    vocabulary, merges = (
        small_tokenizer.vocabulary,
        small_tokenizer.merges,
    )
    for other in (
        GPT3Tokenizer(vocabulary, merges, end_token="!"),
        GPT3Tokenizer(vocabulary, merges, special_tokens=["!"]),
        GPT3Tokenizer(vocabulary, merges[:-1]),
    ):
        assert tokenizer_digest(small_tokenizer) != tokenizer_digest(other)


# === Tokenized part ===


TOP = 2**64 - 1


def documents(rng, count):
    keys = [0, TOP, *rng.integers(0, TOP, count - 2, "uint64").tolist()]
    return [
        (key, rng.integers(0, 50257, rng.integers(1, 9)), bool(key % 2))
        for key in keys
    ]


def comparable(found):
    return [(key, list(tokens), flag) for key, tokens, flag in found]


@pytest.mark.parametrize("num_ranges", [1, 2, 7])
def test_ranges_of_keys_give_all_documents_in_their_order(tmp_path, num_ranges):
    written = documents(np.random.default_rng(0), 50)
    part = TokenizedPart(tmp_path / "sub" / "part", "uint16")
    assert not part.exists
    part.write(iter(written))
    assert part.exists
    assert part.num_tokens == sum(len(tokens) for _, tokens, _ in written)
    bounds = [i * 2**64 // num_ranges for i in range(num_ranges + 1)]
    found = [
        document
        for low, high in zip(bounds[:-1], bounds[1:], strict=True)
        for document in part.read(low, high)
    ]
    assert comparable(found) == comparable(sorted(written, key=lambda d: d[0]))


def test_a_part_without_documents_is_empty(tmp_path):
    part = TokenizedPart(tmp_path / "part", "uint16")
    part.write([])
    assert part.exists and part.read(0, 2**64) == []


def test_a_part_that_broke_off_does_not_exist(tmp_path):
    part = TokenizedPart(tmp_path / "part", "uint32")
    part.write([(1, [2, 3], False)])

    def break_off():
        yield 1, [2], False
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        part.write(break_off())
    assert not part.exists and list(tmp_path.iterdir()) == []


def test_removal_is_of_both_files_and_may_be_repeated(tmp_path):
    part = TokenizedPart(tmp_path / "part", "uint16")
    part.write([(1, [2], True)])
    part.remove()
    part.remove()
    assert not list(tmp_path.iterdir())
