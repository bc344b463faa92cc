import json
import os
import re
import signal
import subprocess
import sys

import pytest

from keras_gpt3.atomic_write import atomic_folder
from keras_gpt3.atomic_write import check_is_free
from keras_gpt3.atomic_write import recover_folder


def never(path):
    return False


def always(path):
    return True


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("there", [False, True])
def test_files_appear_when_the_block_ends(tmp_path, there):
    target = tmp_path / "new" / "model"
    if there:
        target.mkdir(parents=True)
    with atomic_folder(target, never) as folder:
        (folder / "a").touch()
        assert not (target / "a").exists()
    assert names(target) == ["a"]
    assert names(target.parent) == ["model"]


def test_what_is_owned_goes_and_all_else_stays(tmp_path):
    (tmp_path / "assets").mkdir()
    for name in ("README.md", "config.json", "1.h5", "assets/a", "assets/b"):
        (tmp_path / name).write_text("old")
    owned = ("*.h5", "assets/a", "config.json")
    with atomic_folder(tmp_path, always, owned) as folder:
        (folder / "assets").mkdir()
        for name in ("config.json", "2.h5", "assets/c"):
            (folder / name).write_text("new")
        assert (tmp_path / "1.h5").exists()
    assert names(tmp_path) == ["2.h5", "README.md", "assets", "config.json"]
    assert names(tmp_path / "assets") == ["b", "c"]
    assert (tmp_path / "config.json").read_text() == "new"


def test_the_config_goes_first_and_comes_last(tmp_path, monkeypatch):
    (tmp_path / "config.json").touch()
    is_there = []
    replace = os.replace

    def note(source, target):
        replace(source, target)
        is_there.append((tmp_path / "config.json").exists())

    monkeypatch.setattr(os, "replace", note)
    with atomic_folder(tmp_path, always) as folder:
        for name in ("a", "config.json", "z"):
            (folder / name).touch()
    assert is_there == [False, False, False, True]


def test_an_error_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old").touch()
    with pytest.raises(KeyError):
        with atomic_folder(tmp_path / "model", always, ["old"]) as folder:
            (folder / "new").touch()
            raise KeyError
    assert names(tmp_path / "model") == ["old"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("failing", range(5))
@pytest.mark.parametrize("done", [False, True])
def test_an_interrupted_move_leaves_everything_as_it_was(
    failing, done, tmp_path, monkeypatch
):
    (tmp_path / "assets").mkdir()
    before = {"config.json": "old", "assets/a": "old", "README.md": "mine"}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    moves, replace = [], os.replace

    def interrupted(source, target):
        moves.append(target)
        if len(moves) == failing + 1:
            if done:
                replace(source, target)
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        with atomic_folder(
            tmp_path, always, ["config.json", "assets/*"]
        ) as folder:
            (folder / "assets").mkdir()
            for name in ("config.json", "assets/a", "new"):
                (folder / name).write_text("new")
    files = {p for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {tmp_path / name for name in before}
    for name, text in before.items():
        assert (tmp_path / name).read_text() == text


def test_a_folder_in_the_place_of_a_file_is_kept(tmp_path):
    (tmp_path / "vocab.json").mkdir()
    (tmp_path / "config.json").write_text("old")
    with pytest.raises(IsADirectoryError, match="must not be a folder. Rec"):
        with atomic_folder(tmp_path, always, ["config.json"]) as folder:
            (folder / "vocab.json").touch()
    assert (tmp_path / "config.json").read_text() == "old"


@pytest.mark.parametrize(
    ("may_replace", "hint"),
    [
        (None, ""),
        (
            never,
            ", or overwrite=True (--overwrite) if it holds a model of this "
            "format",
        ),
    ],
)
def test_a_folder_with_files_is_kept(may_replace, hint, tmp_path):
    (tmp_path / "thesis.txt").touch()
    message = (
        "The folder must be empty or not exist yet. Received: folder="
        f"'{tmp_path}'. Pass another path{hint}."
    )
    with pytest.raises(FileExistsError, match=f"^{re.escape(message)}$"):
        with atomic_folder(tmp_path, may_replace):
            raise AssertionError("The block must not run.")
    assert names(tmp_path) == ["thesis.txt"]


def test_a_folder_that_fills_meanwhile_is_kept(tmp_path):
    with pytest.raises(FileExistsError, match="must be empty"):
        with atomic_folder(tmp_path / "model", never):
            (tmp_path / "model").mkdir()
            (tmp_path / "model/other").touch()
    assert names(tmp_path / "model") == ["other"]


@pytest.mark.parametrize("below", ["", "below", "below/it"])
def test_a_file_is_not_replaced(below, tmp_path):
    (tmp_path / "model").touch()
    with pytest.raises(NotADirectoryError, match="model is a file. Pass"):
        check_is_free(tmp_path / "model" / below)
    with pytest.raises(NotADirectoryError, match="model is a file. Pass"):
        with atomic_folder(tmp_path / "model" / below, always):
            raise AssertionError("The block must not run.")


@pytest.mark.parametrize("there", [False, True])
def test_a_link_stays_one(tmp_path, there):
    if there:
        (tmp_path / "disk").mkdir()
    (tmp_path / "model").symlink_to("disk")
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "a").touch()
    assert (tmp_path / "model").is_symlink()
    assert names(tmp_path / "disk") == ["a"]
    assert names(tmp_path) == ["disk", "model"]


def test_the_folder_where_the_user_is_stays_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_folder(".") as folder:
        (folder / "a").touch()
    assert os.listdir(".") == ["a"]


def test_a_folder_that_cannot_be_made_is_told_at_once():
    message = (
        "The folder must be one that can be made. Received: "
        "folder='/proc/none/new' (No such file or directory). Pass another "
        "path."
    )
    with pytest.raises(PermissionError, match=f"^{re.escape(message)}$"):
        check_is_free("/proc/none/new")


# === Death of the process, and other processes ===

KILLED = """
import os, signal, sys
from keras_gpt3.atomic_write import atomic_folder

replace, moves = os.replace, []

def killed(source, target):
    if len(moves) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    moves.append(target)
    replace(source, target)

os.replace = killed
owned = ["config.json", "assets/*"]
with atomic_folder(sys.argv[1], lambda path: True, owned) as folder:
    (folder / "assets").mkdir()
    for name in ("config.json", "assets/a", "new"):
        (folder / name).write_text("new")
"""


def run(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("moves_before", [1, 4])
@pytest.mark.slow
def test_the_old_files_are_back_after_a_kill_among_the_moves(
    moves_before, tmp_path
):
    (tmp_path / "assets").mkdir()
    before = {"config.json": "old", "assets/a": "old", "README.md": "mine"}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with run(KILLED, tmp_path, moves_before) as process:
        pass
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "config.json").exists()
    recover_folder(tmp_path)
    files = {p for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {tmp_path / name for name in before}
    for name, text in before.items():
        assert (tmp_path / name).read_text() == text


def journal(folder, old=(), new=("config.json",)):
    """What a process leaves that dies after all of its moves, or before."""
    hidden = folder / ".model-0123abcd.tmp"
    (hidden / ".old").mkdir(parents=True)
    text = json.dumps({"old": list(old), "new": list(new)})
    (hidden / ".moves.json").write_text(text)
    return hidden


def test_the_new_files_stay_after_a_kill_behind_the_moves(tmp_path):
    (journal(tmp_path, ["config.json"]) / ".old/config.json").touch()
    (tmp_path / "config.json").write_text("new")
    recover_folder(tmp_path)
    assert names(tmp_path) == ["config.json"]
    assert (tmp_path / "config.json").read_text() == "new"


def test_a_journal_that_was_cut_moves_nothing(tmp_path):
    (journal(tmp_path) / ".moves.json").write_text('{"old": ["conf')
    (tmp_path / "config.json").write_text("old")
    recover_folder(tmp_path)
    assert names(tmp_path) == ["config.json"]


@pytest.mark.parametrize("name", ["../secret", "link/secret", "{}/secret"])
def test_a_journal_from_elsewhere_moves_nothing(name, tmp_path):
    name = name.format(tmp_path)
    (tmp_path / "secret").write_text("key")
    hidden = journal(tmp_path / "model", [name], ["config.json"])
    (hidden / "config.json").touch()
    (hidden / ".old/link").symlink_to(tmp_path)
    (tmp_path / "model/link").symlink_to(tmp_path)
    recover_folder(tmp_path / "model")
    assert (tmp_path / "secret").read_text() == "key"
    assert not (tmp_path / "model/secret").exists()


WRITER = """
import sys, time
from keras_gpt3.atomic_write import atomic_folder

with atomic_folder(sys.argv[1], lambda path: True) as folder:
    (folder / "config.json").touch()
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.slow
def test_sigterm_leaves_no_hidden_files(there, tmp_path):
    if there:
        (tmp_path / "model").mkdir()
        (tmp_path / "model/config.json").write_text("old")
    with run(WRITER, tmp_path / "model") as process:
        process.stdout.readline()
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert names(tmp_path) == (["model"] if there else [])
    if there:
        assert names(tmp_path / "model") == ["config.json"]


@pytest.mark.slow
def test_two_processes_do_not_write_to_one_folder(tmp_path):
    with run(WRITER, tmp_path) as process:
        process.stdout.readline()
        with pytest.raises(BlockingIOError, match="Only one process may write"):
            with atomic_folder(tmp_path, always):
                raise AssertionError("The block must not run.")
        process.kill()
    # Its end, however it comes, is that of its lock.
    with atomic_folder(tmp_path, always) as folder:
        (folder / "a").touch()
    assert (tmp_path / "a").exists()
