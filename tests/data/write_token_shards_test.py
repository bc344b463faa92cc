"""Tests of writing a corpus, against the naive concatenation."""

import errno
import gzip
import hashlib
import json
import re

import numpy as np
import pytest

from keras_gpt3.data import TokenShards
from keras_gpt3.data import write_documents
from keras_gpt3.data import write_token_shards
from keras_gpt3.data.shard_writer import ShardWriter
from keras_gpt3.data.write_token_shards import write_split_shards

# === Write token shards ===


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


# === Write split shards ===


# Tests of the split, against a loop over the documents.


SPLIT_TEXTS = [f"document {i}" for i in range(300)]


def texts_of(shards):
    """The documents that a test's one-id-a-character tokenizer encoded."""
    ids = shards.read([0], shards.num_tokens)[0].tolist()
    joined = "".join(chr(i) if i < 299 else "\n" for i in ids)
    return joined.split("\n")[:-1]


def split(folder, tokenizer, fraction, texts=SPLIT_TEXTS, **options):
    shards = write_split_shards(texts, folder, tokenizer, fraction, **options)
    return [texts_of(side) for side in shards]


def split_snapshot(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.97])
def test_a_hash_of_the_text_decides_the_side(tmp_path, tokenizer, fraction):
    expected = [], []
    for text in SPLIT_TEXTS:
        digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        expected[int(digest, 16) < fraction * 2**64].append(text)
    train, validation = split(tmp_path, tokenizer, fraction)
    assert (train, validation) == expected
    # Four standard deviations of a count of 300 draws are below 0.12.
    assert abs(len(validation) / len(SPLIT_TEXTS) - fraction) < 0.12


def test_sides_do_not_depend_on_order_or_copies(tmp_path, tokenizer):
    train, validation = split(tmp_path / "a", tokenizer, 0.2)
    again = split(
        tmp_path / "b",
        tokenizer,
        0.2,
        SPLIT_TEXTS[::-1] + SPLIT_TEXTS,
    )
    assert again == [train[::-1] + train, validation[::-1] + validation]


def test_what_is_held_out_stays_held_out_at_a_larger_fraction(
    tmp_path, tokenizer
):
    _, small = split(tmp_path / "a", tokenizer, 0.1)
    _, large = split(tmp_path / "b", tokenizer, 0.3)
    assert set(small) < set(large)


def test_the_sides_lie_in_folders_of_their_own(tmp_path, tokenizer):
    train, validation = write_split_shards(
        SPLIT_TEXTS, tmp_path, tokenizer, 0.2
    )
    assert train.folder == tmp_path / "train"
    assert validation.folder == tmp_path / "validation"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "train",
        "validation",
    ]
    train.verify()
    validation.verify()


def test_split_shards_do_not_depend_on_the_number_of_workers(
    tmp_path, tokenizer
):
    for workers in (1, 3):
        split(
            tmp_path / str(workers),
            tokenizer,
            0.4,
            workers=workers,
            tokens_per_shard=500,
        )
    assert split_snapshot(tmp_path / "1") == split_snapshot(tmp_path / "3")


@pytest.mark.parametrize("fraction", [-0.1, 0, 1, 1.5, float("nan")])
def test_a_fraction_that_is_no_split_is_an_error(tmp_path, tokenizer, fraction):
    message = (
        "validation_fraction must be above 0 and below 1. Received: "
        f"validation_fraction={fraction}. Pass 0.01 to hold out one document "
        "in a hundred."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        split(tmp_path, tokenizer, fraction)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fraction", "counts"), [(1e-9, (300, 0)), (1 - 1e-9, (0, 300))]
)
def test_a_side_without_text_is_an_error(tmp_path, tokenizer, fraction, counts):
    message = (
        "Both sides of a split must hold at least one token of text. Received:"
        f" validation_fraction={fraction} with {counts[0]} documents for "
        f"training and {counts[1]} for validation. Pass more documents or "
        "another fraction."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        split(tmp_path / "new", tokenizer, fraction)
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_splitting_leaves_no_folder(tmp_path, tokenizer):
    with pytest.raises(TypeError, match="Documents must be strings"):
        split(
            tmp_path / "new" / "set",
            tokenizer,
            0.2,
            [*SPLIT_TEXTS, 5],
        )
    assert list(tmp_path.iterdir()) == []


def test_both_sides_are_on_disk_before_either_replaces_another(
    tmp_path, tokenizer, monkeypatch
):
    split(tmp_path, tokenizer, 0.2)
    before = split_snapshot(tmp_path)
    finish = ShardWriter.finish

    def full_at_validation(writer):
        if writer._folder.name == "validation":
            raise OSError(errno.ENOSPC, "No space left on device")
        finish(writer)

    monkeypatch.setattr(ShardWriter, "finish", full_at_validation)
    with pytest.raises(OSError, match="^The disk must have room"):
        split(tmp_path, tokenizer, 0.3, overwrite=True)
    assert split_snapshot(tmp_path) == before


def test_sets_are_replaced_only_when_asked_to(tmp_path, tokenizer):
    split(tmp_path, tokenizer, 0.2)
    before = split_snapshot(tmp_path)
    with pytest.raises(FileExistsError, match="must not hold token shards"):
        split(tmp_path, tokenizer, 0.3)
    assert split_snapshot(tmp_path) == before


def test_a_split_shard_of_no_tokens_is_an_error(tmp_path, tokenizer):
    with pytest.raises(ValueError, match="Received: tokens_per_shard=0"):
        split(tmp_path, tokenizer, 0.2, tokens_per_shard=0)
