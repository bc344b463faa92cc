"""Tests of the split, against a loop over the documents."""

import errno
import hashlib
import re

import pytest

from keras_gpt3.data.shard_writer import ShardWriter
from keras_gpt3.data.write_token_shards import write_split_shards

TEXTS = [f"document {i}" for i in range(300)]


def texts_of(shards):
    """The documents that a test's one-id-a-character tokenizer encoded."""
    ids = shards.read([0], shards.num_tokens)[0].tolist()
    joined = "".join(chr(i) if i < 299 else "\n" for i in ids)
    return joined.split("\n")[:-1]


def split(folder, tokenizer, fraction, texts=TEXTS, **options):
    shards = write_split_shards(texts, folder, tokenizer, fraction, **options)
    return [texts_of(side) for side in shards]


def snapshot(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.97])
def test_a_hash_of_the_text_decides_the_side(tmp_path, tokenizer, fraction):
    expected = [], []
    for text in TEXTS:
        digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        expected[int(digest, 16) < fraction * 2**64].append(text)
    train, validation = split(tmp_path, tokenizer, fraction)
    assert (train, validation) == expected
    # Four standard deviations of a count of 300 draws are below 0.12.
    assert abs(len(validation) / len(TEXTS) - fraction) < 0.12


def test_sides_do_not_depend_on_order_or_copies(tmp_path, tokenizer):
    train, validation = split(tmp_path / "a", tokenizer, 0.2)
    again = split(tmp_path / "b", tokenizer, 0.2, TEXTS[::-1] + TEXTS)
    assert again == [train[::-1] + train, validation[::-1] + validation]


def test_what_is_held_out_stays_held_out_at_a_larger_fraction(
    tmp_path, tokenizer
):
    _, small = split(tmp_path / "a", tokenizer, 0.1)
    _, large = split(tmp_path / "b", tokenizer, 0.3)
    assert set(small) < set(large)


def test_the_sides_lie_in_folders_of_their_own(tmp_path, tokenizer):
    train, validation = write_split_shards(TEXTS, tmp_path, tokenizer, 0.2)
    assert train.folder == tmp_path / "train"
    assert validation.folder == tmp_path / "validation"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "train",
        "validation",
    ]
    train.verify()
    validation.verify()


def test_the_shards_do_not_depend_on_the_number_of_workers(tmp_path, tokenizer):
    for workers in (1, 3):
        split(
            tmp_path / str(workers),
            tokenizer,
            0.4,
            workers=workers,
            tokens_per_shard=500,
        )
    assert snapshot(tmp_path / "1") == snapshot(tmp_path / "3")


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


def test_an_error_leaves_no_folder(tmp_path, tokenizer):
    with pytest.raises(TypeError, match="Documents must be strings"):
        split(tmp_path / "new" / "set", tokenizer, 0.2, [*TEXTS, 5])
    assert list(tmp_path.iterdir()) == []


def test_both_sides_are_on_disk_before_either_replaces_another(
    tmp_path, tokenizer, monkeypatch
):
    split(tmp_path, tokenizer, 0.2)
    before = snapshot(tmp_path)
    finish = ShardWriter.finish

    def full_at_validation(writer):
        if writer._folder.name == "validation":
            raise OSError(errno.ENOSPC, "No space left on device")
        finish(writer)

    monkeypatch.setattr(ShardWriter, "finish", full_at_validation)
    with pytest.raises(OSError, match="^The disk must have room"):
        split(tmp_path, tokenizer, 0.3, overwrite=True)
    assert snapshot(tmp_path) == before


def test_sets_are_replaced_only_when_asked_to(tmp_path, tokenizer):
    split(tmp_path, tokenizer, 0.2)
    before = snapshot(tmp_path)
    with pytest.raises(FileExistsError, match="must not hold token shards"):
        split(tmp_path, tokenizer, 0.3)
    assert snapshot(tmp_path) == before


def test_a_shard_of_no_tokens_is_an_error(tmp_path, tokenizer):
    with pytest.raises(ValueError, match="Received: tokens_per_shard=0"):
        split(tmp_path, tokenizer, 0.2, tokens_per_shard=0)
