"""Tests of writing a corpus, against the naive concatenation."""

import gzip
import json
import re

import numpy as np
import pytest

from keras_gpt3.data import TokenShards
from keras_gpt3.data import write_documents
from keras_gpt3.data import write_token_shards

TEXTS = ["Once", "", "upon a time", "é", "there was " * 9, "<|endoftext|>"]


def joined(texts, end_token_id=299):
    tokens = []
    for text in texts:
        tokens += [ord(character) for character in text] + [end_token_id]
    return tokens


def all_tokens(shards):
    return shards.read([0], shards.num_tokens)[0].tolist()


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("tokens_per_shard", [1, 7, 60, 2**27])
def test_shards_are_the_documents_each_with_its_end(
    tmp_path, tokenizer, tokens_per_shard
):
    shards = write_token_shards(
        iter(TEXTS), tmp_path, tokenizer, tokens_per_shard=tokens_per_shard
    )
    assert all_tokens(shards) == joined(TEXTS)
    assert shards.num_documents == len(TEXTS)
    shards.verify()


def test_files_are_flat_little_endian_ids_that_ls_can_count(
    tmp_path, tokenizer
):
    write_token_shards(TEXTS, tmp_path, tokenizer, tokens_per_shard=20)
    paths = sorted(tmp_path.glob("*.uint16"))
    content = b"".join(path.read_bytes() for path in paths)
    assert np.frombuffer(content, "<u2").tolist() == joined(TEXTS)
    assert len(paths) == 3
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [2 * item["num_tokens"] for item in manifest["shards"]] == [
        path.stat().st_size for path in paths
    ]


@pytest.mark.parametrize(
    ("vocabulary_size", "dtype"), [(65536, "uint16"), (65537, "uint32")]
)
def test_a_large_vocabulary_takes_four_bytes_a_token(
    tmp_path, make_tokenizer, vocabulary_size, dtype
):
    tokenizer = make_tokenizer(vocabulary_size)
    shards = write_token_shards(TEXTS, tmp_path, tokenizer)
    assert shards.dtype == dtype
    assert all_tokens(shards) == joined(TEXTS, vocabulary_size - 1)
    assert shards.vocabulary_size == vocabulary_size
    assert shards.end_token_id == vocabulary_size - 1


def test_files_and_strings_give_the_same_shards(tmp_path, tokenizer):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS[:3])
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "b.txt").write_text(TEXTS[3], encoding="utf-8")
    lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS[4:])
    (tmp_path / "c.jsonl").write_text(lines)
    paths = [tmp_path / "a.jsonl.gz", tmp_path / "b.txt", tmp_path / "c.jsonl"]
    write_token_shards(paths, tmp_path / "from_files", tokenizer)
    write_token_shards(TEXTS, tmp_path / "from_texts", tokenizer)
    from_files = snapshot(tmp_path / "from_files")
    assert from_files == snapshot(tmp_path / "from_texts")


def test_the_tokenizer_gets_documents_in_batches(
    tmp_path, tokenizer, monkeypatch
):
    monkeypatch.setattr(write_documents, "_BATCH_DOCUMENTS", 4)
    sizes, encode_batch = [], tokenizer.encode_batch

    def counting(texts, **options):
        sizes.append(len(texts))
        return encode_batch(texts, **options)

    monkeypatch.setattr(tokenizer, "encode_batch", counting)
    shards = write_token_shards(TEXTS, tmp_path, tokenizer, workers=1)
    assert sizes == [4, 2]
    assert all_tokens(shards) == joined(TEXTS)


def broken_documents(kind, folder):
    """Return documents that fail late, and the error they fail with."""
    if kind == "exception":
        return (1 / (3 - i) and "text" for i in range(9)), ZeroDivisionError
    if kind == "no string":
        return [*TEXTS, 5], TypeError
    if kind == "beyond the vocabulary":
        return [*TEXTS, chr(300)], ValueError
    path = folder / "corpus.jsonl"
    path.write_text('{"text": "fine"}\n' * 5 + "{}\n")
    return [path], ValueError


KINDS = ["exception", "no string", "beyond the vocabulary", "bad line"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tokens_per_shard", [5, 2**27])
def test_an_error_leaves_no_folder(tmp_path, tokenizer, kind, tokens_per_shard):
    documents, error = broken_documents(kind, tmp_path)
    folder = tmp_path / "shards"
    with pytest.raises(error):
        write_token_shards(
            documents, folder, tokenizer, tokens_per_shard=tokens_per_shard
        )
    assert not folder.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_leaves_the_shards_that_were_to_be_overwritten(
    tmp_path, tokenizer, kind
):
    documents, error = broken_documents(kind, tmp_path)
    folder = tmp_path / "shards"
    write_token_shards(["before"], folder, tokenizer)
    before = snapshot(folder)
    with pytest.raises(error):
        write_token_shards(documents, folder, tokenizer, overwrite=True)
    assert snapshot(folder) == before


def test_shards_are_replaced_only_when_asked_to(tmp_path, tokenizer):
    write_token_shards(TEXTS, tmp_path, tokenizer, tokens_per_shard=5)
    with pytest.raises(FileExistsError, match="must not hold token shards"):
        write_token_shards(["after"], tmp_path, tokenizer)
    assert all_tokens(TokenShards(tmp_path)) == joined(TEXTS)
    write_token_shards(["after"], tmp_path, tokenizer, overwrite=True)
    assert all_tokens(TokenShards(tmp_path)) == joined(["after"])


@pytest.mark.parametrize("workers", [2, 5, None])
def test_the_shards_do_not_depend_on_the_number_of_workers(
    tmp_path, tokenizer, monkeypatch, workers
):
    monkeypatch.setattr(write_documents, "_BATCH_CHARACTERS", 20)
    texts = [chr(40 + i) * (i % 13) for i in range(200)]
    options = {"tokens_per_shard": 97}
    one, many = tmp_path / "one", tmp_path / "many"
    write_token_shards(texts, one, tokenizer, workers=1, **options)
    write_token_shards(texts, many, tokenizer, workers=workers, **options)
    assert snapshot(one) == snapshot(many)
    assert all_tokens(TokenShards(many)) == joined(texts)


@pytest.mark.parametrize("documents", [[], ["", ""]])
def test_an_empty_corpus_is_an_error(tmp_path, tokenizer, documents):
    message = (
        "A corpus must hold at least one token of text. Received: "
        f"{len(documents)} documents, all of them empty. Pass documents with "
        "text."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        write_token_shards(documents, tmp_path / "shards", tokenizer)
    assert not (tmp_path / "shards").exists()


def test_an_id_beyond_the_vocabulary_is_an_error(tmp_path, tokenizer):
    message = (
        "Token ids must lie from 0 to vocabulary_size - 1. Received: ids from "
        "97 to 300, vocabulary_size=300. Pass a tokenizer that counts all of "
        "its ids."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        write_token_shards(["a" + chr(300)], tmp_path, tokenizer)


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_a_number_of_workers_that_is_none_is_an_error(
    tmp_path, tokenizer, workers
):
    message = (
        "workers must be an integer of at least 1. Received: workers="
        f"{workers}. Pass 1 or more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        write_token_shards(
            TEXTS, tmp_path / "shards", tokenizer, workers=workers
        )
    assert not (tmp_path / "shards").exists()


def test_a_shard_of_no_tokens_is_an_error(tmp_path, tokenizer):
    with pytest.raises(ValueError, match="Received: tokens_per_shard=0"):
        write_token_shards(TEXTS, tmp_path, tokenizer, tokens_per_shard=0)


def test_progress_is_shown_when_asked_for(tmp_path, tokenizer, capsys):
    write_token_shards(TEXTS, tmp_path, tokenizer, verbose=True)
    assert f"{len(joined(TEXTS))} tokens written" in capsys.readouterr().err
