"""Tests of the names and the moment at which shards appear."""

import re

import pytest

from keras_gpt3.data.shard_writer import ShardWriter


def write(folder, documents, tokens_per_shard=4, overwrite=False):
    with ShardWriter(folder, "uint16", tokens_per_shard, overwrite) as writer:
        for document in documents:
            writer.append(document)
        names = sorted(path.name for path in folder.iterdir())
        writer.commit(end_token_id=9, vocabulary_size=10)
    return names


def sizes(folder):
    return {path.name: path.stat().st_size for path in folder.glob("tokens-*")}


def test_shards_have_temporary_names_until_the_commit(tmp_path):
    folder = tmp_path / "new" / "shards"
    names = write(folder, [[1, 9], [2, 3, 9], [9]])
    assert names == [
        "tokens-00000.uint16.partial",
        "tokens-00001.uint16.partial",
    ]
    assert sizes(folder) == {"tokens-00000.uint16": 4, "tokens-00001.uint16": 8}


def test_a_document_longer_than_a_shard_has_one_of_its_own(tmp_path):
    write(tmp_path, [[1, 9], [1] * 6 + [9], [2, 9], [3, 9]])
    assert list(sorted(sizes(tmp_path).values())) == [4, 8, 14]


def test_overwriting_removes_the_shards_that_are_no_more(tmp_path):
    write(tmp_path, [[1, 2, 9]] * 3)
    (tmp_path / "notes.txt").touch()
    write(tmp_path, [[1, 2, 9]], overwrite=True)
    assert sizes(tmp_path) == {"tokens-00000.uint16": 6}
    assert (tmp_path / "notes.txt").exists()


def test_remains_of_a_killed_writer_are_removed(tmp_path):
    (tmp_path / "tokens-00007.uint16.partial").touch()
    write(tmp_path, [[1, 9]])
    assert sizes(tmp_path) == {"tokens-00000.uint16": 4}


def test_shards_are_not_overwritten_unasked(tmp_path):
    write(tmp_path, [[1, 9]])
    message = (
        "The folder must not hold token shards already. Received: folder="
        f"'{tmp_path}'. Pass overwrite=True or another folder."
    )
    with pytest.raises(FileExistsError, match=f"^{re.escape(message)}$"):
        write(tmp_path, [[2, 9]])
    assert sizes(tmp_path) == {"tokens-00000.uint16": 4}
