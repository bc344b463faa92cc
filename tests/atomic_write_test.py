import errno
import json
import os
import signal

import pytest

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.atomic_write import write_json


def test_a_file_appears_when_its_block_ends(tmp_path):
    path = tmp_path / "new" / "a.bin"
    with atomic_write(path) as file:
        file.write(b"12")
        assert not path.exists()
    assert path.read_bytes() == b"12"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_older_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write(b"new" + bytes([1 // 0]))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_write(path) as first, atomic_write(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"


def test_json_is_written_as_it_is(tmp_path):
    write_json(tmp_path / "a.json", {"café": [1, None]})
    text = (tmp_path / "a.json").read_text("utf-8")
    assert json.loads(text) == {"café": [1, None]}
    assert "café" in text


def test_a_full_disk_is_told_of(tmp_path):
    path = tmp_path / "a.bin"
    with pytest.raises(
        OSError, match="have room for .* Received: file='.*a.bin'.*Free some"
    ):
        with atomic_write(path):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_sigterm_leaves_the_old_file_alone(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(SystemExit):
        with atomic_write(tmp_path / "a") as file:
            file.write(b"new")
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"
