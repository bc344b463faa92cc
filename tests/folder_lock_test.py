import errno
import fcntl
import os
import re
import signal
import threading

import pytest

from keras_gpt3.atomic_write import locked_folder
from keras_gpt3.atomic_write import made_folder
from keras_gpt3.atomic_write import sigterm_exits


def in_thread(function):
    """What a function in another thread raises, or `None`."""
    errors = []

    def run():
        try:
            function()
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return errors[0] if errors else None


def lock(folder):
    with locked_folder(folder):
        pass


def test_a_folder_has_one_writer_at_a_time(tmp_path):
    with locked_folder(tmp_path):
        error = in_thread(lambda: lock(tmp_path))
    message = (
        "Only one process may write to a folder at a time. Received: folder="
        f"'{tmp_path}', where another one writes. Wait until it has ended, or "
        "pass another folder."
    )
    assert re.fullmatch(re.escape(message), str(error))
    assert in_thread(lambda: lock(tmp_path)) is None


def test_a_writer_may_lock_its_folder_again(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with locked_folder(tmp_path):
        lock(tmp_path / "link")
        assert in_thread(lambda: lock(tmp_path)) is not None
    assert list(tmp_path.iterdir()) == [tmp_path / "link"]


def test_a_made_folder_is_locked_and_removed_where_it_stays_empty(tmp_path):
    with pytest.raises(KeyError), made_folder(tmp_path / "a" / "b"):
        assert in_thread(lambda: lock(tmp_path / "a" / "b")) is not None
        (tmp_path / "a" / "file").touch()
        raise KeyError
    with made_folder(tmp_path / "a"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "file"]


def test_a_file_system_without_locks_is_written_to(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock(tmp_path)


def test_sigterm_leaves_the_block_and_its_handler_goes():
    with pytest.raises(SystemExit) as raised:
        with sigterm_exits():
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
    assert raised.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_handler_of_ones_own_stays(monkeypatch):
    received = []
    before = signal.signal(signal.SIGTERM, lambda *_: received.append(1))
    try:
        with sigterm_exits():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [1]
