"""Tests of the names and the moment at which shards appear."""

import builtins
import errno
import os
import re
import shutil
import threading

import pytest

from keras_gpt3.data.shard_manifest import ShardManifest
from keras_gpt3.data.shard_writer import ShardWriter
from keras_gpt3.data.token_shards import TokenShards


def write(folder, documents, tokens_per_shard=4, overwrite=False):
    with ShardWriter(folder, "uint16", tokens_per_shard, overwrite) as writer:
        for document in documents:
            writer.append(document)
        names = [path.name for path in folder.iterdir()]
        writer.commit(end_token_id=9, vocabulary_size=10)
    return names


def sizes(folder):
    return {path.name: path.stat().st_size for path in folder.glob("tokens-*")}


def test_shards_are_in_a_hidden_folder_until_the_commit(tmp_path):
    folder = tmp_path / "new" / "shards"
    names = write(folder, [[1, 9], [2, 3, 9], [9]])
    assert re.fullmatch(r"\.shards-[0-9a-f]{8}\.tmp", *names)
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
    (tmp_path / "download.partial").touch()
    write(tmp_path, [[1, 9]])
    assert sizes(tmp_path) == {"tokens-00000.uint16": 4}
    assert (tmp_path / "download.partial").exists()


def test_a_second_writer_is_refused_and_the_first_goes_on(tmp_path):
    with ShardWriter(tmp_path, "uint16", 4) as writer:
        writer.append([1, 9])
        errors = []

        def second():
            try:
                write(tmp_path, [[2, 9]], overwrite=True)
            except BlockingIOError as error:
                errors.append(str(error))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        writer.commit(end_token_id=9, vocabulary_size=10)
    assert errors[0].startswith("Only one process may write to a folder at")
    assert sizes(tmp_path) == {"tokens-00000.uint16": 4}


def test_the_old_shards_are_back_after_a_kill_within_the_commit(
    tmp_path, monkeypatch
):
    write(tmp_path, [[1, 2, 9]] * 2)
    moves = []

    def die(source, target):
        moves.append(target)
        if len(moves) == 4:
            # As if the process ended here: nothing is cleaned up.
            shutil.copytree(tmp_path, tmp_path.with_name("killed"))
            raise KeyboardInterrupt
        replace(source, target)

    replace = os.replace
    with monkeypatch.context() as patch:
        patch.setattr("keras_gpt3.atomic_write.os.replace", die)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, [[3, 9]], overwrite=True)
    killed = tmp_path.with_name("killed")
    assert not (killed / "manifest.json").exists()
    for folder in (tmp_path, killed):
        assert ShardManifest.read(folder).num_tokens == 6
        TokenShards(folder).verify()
        assert len(list(folder.iterdir())) == 3


def test_folders_made_on_the_way_are_removed_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "a" / "b", (1 / 0 for _ in range(2)))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_somebody_else_uses_stays_after_an_error(tmp_path):
    def documents():
        (tmp_path / "a" / "theirs.txt").touch()
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "a" / "b", documents())
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "theirs.txt"]


@pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="needs Linux' full device"
)
@pytest.mark.parametrize("num_tokens", [2, 100_000])
def test_a_full_disk_is_named_and_nothing_stays(
    num_tokens, tmp_path, monkeypatch
):
    # Everything written to this device meets a full disk, at once or at last.
    opened = builtins.open

    def full(path, *arguments):
        is_shard = str(path).endswith(".uint16")
        return opened("/dev/full" if is_shard else path, *arguments)

    monkeypatch.setattr(builtins, "open", full)
    message = (
        "The disk must have room for all token shards. Received: folder="
        f"'{tmp_path}', full after "
    )
    with pytest.raises(OSError, match=f"^{re.escape(message)}") as error:
        write(tmp_path, [[9] * num_tokens])
    assert str(error.value).endswith(
        "([Errno 28] No space left on device). Free some space or pass another "
        "folder."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_at_the_manifest_is_named_and_nothing_stays(
    tmp_path, monkeypatch
):
    def full(manifest, folder):
        (folder / "manifest.json.partial").touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ShardManifest, "write", full)
    with pytest.raises(OSError, match="full after 2 tokens"):
        write(tmp_path / "new", [[1, 9]])
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_another_kind_stays_as_it_is(tmp_path):
    def documents():
        raise PermissionError(errno.EACCES, "Permission denied")
        yield

    with pytest.raises(PermissionError, match="^.Errno 13. Permission denied$"):
        write(tmp_path, documents())


def test_shards_cannot_go_to_a_file(tmp_path):
    path = tmp_path / "file"
    path.touch()
    message = (
        "The folder of token shards must be a folder or not exist yet. "
        f"Received: folder='{path}', which is a file. Pass another path."
    )
    with pytest.raises(NotADirectoryError, match=f"^{re.escape(message)}$"):
        write(path, [[1, 9]])


def test_shards_are_not_overwritten_unasked(tmp_path):
    write(tmp_path, [[1, 9]])
    message = (
        "The folder must not hold token shards already. Received: folder="
        f"'{tmp_path}'. Pass overwrite=True or another folder."
    )
    with pytest.raises(FileExistsError, match=f"^{re.escape(message)}$"):
        write(tmp_path, [[2, 9]])
    assert sizes(tmp_path) == {"tokens-00000.uint16": 4}
