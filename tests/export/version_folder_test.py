import errno
import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap

import pytest

import keras_gpt3
from keras_gpt3.export import version_folder
from keras_gpt3.export.version_folder import version_numbers
from keras_gpt3.export.version_folder import write_version


def write(folder):
    (folder / "variables").mkdir()
    (folder / "variables" / "weights").write_text("1 2 3")


def contents(folder):
    """All files and folders below one, hidden ones included."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


WHOLE = ["1", "1/variables", "1/variables/weights"]


def test_versions_count_up_from_1(tmp_path):
    folder = tmp_path / "a" / "model"
    for number in (1, 2, 3):
        assert write_version(folder, write) == folder / str(number)
    assert version_numbers(folder) == [1, 2, 3]


def test_the_next_version_is_above_the_highest_that_a_server_sees(tmp_path):
    for name in ("2", "10", "011", "v40", ".50", "6x"):
        (tmp_path / name).mkdir()
    assert version_numbers(tmp_path) == [2, 10, 11]
    assert write_version(str(tmp_path), write) == tmp_path / "12"


def test_a_missing_folder_has_no_versions(tmp_path):
    assert version_numbers(tmp_path / "none") == []


def test_a_number_may_be_chosen(tmp_path):
    assert write_version(tmp_path, write, version=7) == tmp_path / "7"
    assert write_version(tmp_path, write, version=3) == tmp_path / "3"


def test_nothing_has_a_number_before_it_is_whole(tmp_path):
    def write_and_look(folder):
        write(folder)
        assert folder.parent == tmp_path
        names = os.listdir(tmp_path)
        assert names == [folder.name] and not folder.name.isdigit()
        assert folder.name.startswith(".")

    write_version(tmp_path, write_and_look)
    assert contents(tmp_path) == WHOLE


def test_every_byte_is_on_the_disk_before_the_rename(tmp_path, monkeypatch):
    done = []
    fsync, rename = version_folder.fsync_path, os.rename
    monkeypatch.setattr(
        version_folder,
        "fsync_path",
        lambda path: done.append(path) or fsync(path),
    )
    monkeypatch.setattr(
        os, "rename", lambda *paths: done.append("rename") or rename(*paths)
    )
    write_version(tmp_path, write)
    before = {pathlib.Path(p).name for p in done[: done.index("rename")]}
    assert {"weights", "variables"} < before and len(before) == 3
    assert done[-1] == tmp_path


def test_anybody_may_read_a_version_that_may_read_its_folder(tmp_path):
    final = write_version(tmp_path, write)
    beside = tmp_path / "beside"
    beside.mkdir()
    assert final.stat().st_mode == beside.stat().st_mode


class Broken(Exception):
    pass


def write_half(folder):
    write(folder)
    raise Broken


def test_a_failure_in_the_middle_leaves_nothing(tmp_path):
    with pytest.raises(Broken):
        write_version(tmp_path / "new" / "model", write_half)
    assert contents(tmp_path) == []
    write_version(tmp_path, write)
    with pytest.raises(Broken):
        write_version(tmp_path, write_half)
    assert contents(tmp_path) == WHOLE


def test_a_failure_of_the_rename_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(OSError, match="No space"):
        write_version(tmp_path, write)
    assert contents(tmp_path) == []


# Without the package's own imports, which take seconds.
CHILD = """
    import sys, time, types
    package, folder = sys.argv[1:]
    for name in ("keras_gpt3", "keras_gpt3.export"):
        module = types.ModuleType(name)
        module.__path__ = [package + name.removeprefix("keras_gpt3")
                           .replace(".", "/")]
        sys.modules[name] = module
    from keras_gpt3.export.version_folder import write_version

    def write(folder):
        (folder / "half").write_text("1 2")
        print(folder, flush=True)
        time.sleep(100)

    write_version(folder, write)
"""


@pytest.fixture
def writing(tmp_path):
    """A process in the middle of an export, and its hidden folder."""
    package = pathlib.Path(keras_gpt3.__file__).parent
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), package, tmp_path],
        stdout=subprocess.PIPE,
        text=True,
    )
    yield child, pathlib.Path(child.stdout.readline().strip())
    child.kill()
    child.wait()
    child.stdout.close()


def test_an_export_that_is_killed_leaves_no_version_for_a_server(
    writing, tmp_path
):
    child, hidden = writing
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert version_numbers(tmp_path) == []
    assert contents(tmp_path) == [hidden.name, f"{hidden.name}/half"]
    # The next one clears up behind it.
    write_version(tmp_path, write)
    assert contents(tmp_path) == WHOLE


def test_one_export_at_a_time_writes_to_a_folder(writing, tmp_path):
    _, hidden = writing
    with pytest.raises(BlockingIOError, match="^Only one process may write"):
        write_version(tmp_path, write)
    assert (hidden / "half").exists()


def test_hidden_folders_of_others_are_left_alone(tmp_path):
    for name in (".git", ".1-mine.tmp", "1-0123abcd.tmp"):
        (tmp_path / name).mkdir()
    write_version(tmp_path, write)
    assert {".git", ".1-mine.tmp", "1-0123abcd.tmp"} < {*os.listdir(tmp_path)}


def exists(version, folder, numbers):
    return (
        "The version must not be there already. Received: "
        f"version={version}, where '{folder}' holds {numbers}. Pass another, "
        "or None for the next."
    )


def never(folder):
    raise Broken


def test_a_version_that_is_there_is_an_error_before_anything_is_written(
    tmp_path,
):
    for version in (1, 4):
        write_version(tmp_path, write, version)
    message = exists(4, tmp_path, "1, 4")
    with pytest.raises(FileExistsError, match=f"^{re.escape(message)}$"):
        write_version(tmp_path, never, version=4)


@pytest.mark.parametrize("version", [0, -1, 1.5, "2", True])
def test_a_version_must_be_a_positive_integer(version, tmp_path):
    with pytest.raises(ValueError, match="^version must be an integer of at"):
        write_version(tmp_path / "model", never, version=version)
    assert contents(tmp_path) == []


def test_a_file_is_no_folder_of_versions(tmp_path):
    path = tmp_path / "model"
    path.write_text("mine")
    message = (
        "The folder of the versions must be a folder or not exist yet. "
        f"Received: filepath='{path}', which is a file. Pass another path."
    )
    with pytest.raises(NotADirectoryError, match=f"^{re.escape(message)}$"):
        write_version(path, never)
    assert path.read_text() == "mine"


def test_a_saved_model_is_no_folder_of_versions(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    message = (
        "The folder of the versions must not be a SavedModel itself. "
        f"Received: filepath='{tmp_path}', which holds a saved_model.pb. "
        "Remove it, or pass another path."
    )
    with pytest.raises(FileExistsError, match=f"^{re.escape(message)}$"):
        write_version(tmp_path, never)


def test_a_url_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = (
        "The folder must be on a mounted file system, where a rename is "
        "atomic. Received: filepath='gs://bucket/model'. Export to a local "
        "folder, and copy the version from there."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        write_version("gs://bucket/model", never)
    assert contents(tmp_path) == []
