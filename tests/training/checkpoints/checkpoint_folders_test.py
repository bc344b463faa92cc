import os
import pathlib
import subprocess
import sys

import pytest
from etils import epath

from keras_gpt3.training.checkpoints import checkpoint_folders


@pytest.fixture(scope="module")
def dead():
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def make(root, *names):
    """Makes folders, each with a file that holds the folder's name."""
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "file").write_text(name, "utf-8")


def contents(root):
    """Name of each folder to what its file holds."""
    return {
        path.name: (path / "file").read_text("utf-8")
        for path in sorted(root.iterdir())
    }


@pytest.mark.parametrize(
    ("step", "name"),
    [(0, "step_000000000"), (10**10, "step_10000000000")],
)
def test_a_step_s_folder_is_found_by_its_name(step, name, tmp_path):
    folder = checkpoint_folders.step_folder(tmp_path, step)
    assert folder == tmp_path / name
    make(tmp_path, name)
    assert checkpoint_folders.step_folders(tmp_path) == {step: folder}


def test_steps_come_sorted_and_other_names_are_passed_over(tmp_path):
    others = ["step_7", "step_0000000012", "step_000000013x", "logs"]
    hidden = [".step_000000004.tmp-1", ".step_000000005.trash-1"]
    make(tmp_path, "step_9999999999", "step_000000003", *others, *hidden)
    assert list(checkpoint_folders.step_folders(tmp_path)) == [3, 9999999999]


def test_a_missing_folder_has_no_checkpoints(tmp_path):
    assert checkpoint_folders.step_folders(tmp_path / "missing") == {}


def test_a_replaced_checkpoint_is_found_where_no_other_has_its_name(tmp_path):
    make(tmp_path, ".step_000000003.replaced-1", ".step_000000004.replaced-1")
    make(tmp_path, "step_000000004")
    assert checkpoint_folders.step_folders(tmp_path) == {
        3: tmp_path / ".step_000000003.replaced-1",
        4: tmp_path / "step_000000004",
    }


def temporary(root, step=3):
    folder = checkpoint_folders.temporary_folder(root, step, os.getpid())
    checkpoint_folders.make_temporary(folder)
    return folder


def test_what_is_not_whole_is_written_under_a_hidden_name(tmp_path):
    folder = temporary(tmp_path / "run")
    assert folder == tmp_path / "run" / f".step_000000003.tmp-{os.getpid()}"
    (folder / "file").write_text("half", "utf-8")
    checkpoint_folders.discard_temporary(folder)
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("is_there", [False, True])
def test_what_is_published_has_its_name_and_replaces(is_there, tmp_path):
    final = checkpoint_folders.step_folder(tmp_path, 3)
    if is_there:
        make(tmp_path, final.name)
    folder = temporary(tmp_path)
    (folder / "file").write_text("new", "utf-8")
    checkpoint_folders.publish(folder, final)
    hidden = f".{final.name}.replaced-{os.getpid()}"
    assert contents(tmp_path) == {final.name: "new"} | (
        {hidden: final.name} if is_there else {}
    )


def test_the_old_one_has_its_name_back_where_publishing_fails(
    tmp_path, monkeypatch
):
    final = checkpoint_folders.step_folder(tmp_path, 3)
    make(tmp_path, final.name, "new")
    rename = os.rename

    def failing(source, target):
        if pathlib.Path(source).name == "new":
            raise OSError("disk")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="disk"):
        checkpoint_folders.publish(tmp_path / "new", final)
    assert contents(tmp_path) == {final.name: final.name, "new": "new"}


def test_a_checkpoint_is_renamed_before_its_files_go(tmp_path, monkeypatch):
    make(tmp_path, "step_000000003")
    rmtree, seen = checkpoint_folders.shutil.rmtree, []

    def watched(path, **options):
        seen.append([entry.name for entry in tmp_path.iterdir()])
        rmtree(path, **options)

    monkeypatch.setattr(checkpoint_folders.shutil, "rmtree", watched)
    checkpoint_folders.remove_folder(tmp_path / "step_000000003")
    assert seen == [[f".step_000000003.trash-{os.getpid()}"]]
    assert contents(tmp_path) == {}


def test_only_leftovers_of_the_dead_and_of_oneself_go(tmp_path, dead):
    # The parent of this process lives.
    for process_id in (dead, os.getpid(), os.getppid()):
        for kind in ("replaced", "tmp", "trash"):
            make(tmp_path, f".step_000000003.{kind}-{process_id}")
    make(tmp_path, "step_000000003", "logs")
    checkpoint_folders.remove_leftovers(tmp_path)
    assert set(contents(tmp_path)) == {
        f".step_000000003.replaced-{os.getppid()}",
        f".step_000000003.tmp-{os.getppid()}",
        f".step_000000003.trash-{os.getppid()}",
        "logs",
        "step_000000003",
    }


def test_a_process_of_another_user_lives(tmp_path, monkeypatch):
    def kill(process_id, signal):
        raise PermissionError

    make(tmp_path, ".step_000000003.tmp-1")
    monkeypatch.setattr(os, "kill", kill)
    checkpoint_folders.remove_leftovers(tmp_path)
    assert set(contents(tmp_path)) == {".step_000000003.tmp-1"}


def test_a_replaced_leftover_goes_or_has_its_name_back(tmp_path, dead):
    make(tmp_path, f".step_000000003.replaced-{dead}")
    make(tmp_path, f".step_000000004.replaced-{dead}", "step_000000004")
    checkpoint_folders.remove_leftovers(tmp_path)
    assert contents(tmp_path) == {
        "step_000000003": f".step_000000003.replaced-{dead}",
        "step_000000004": "step_000000004",
    }


def test_in_a_bucket_the_manifest_makes_the_checkpoint(tmp_path):
    """Whose paths are of `etils.epath`; those are of files here."""
    root = epath.Path(tmp_path)
    make(tmp_path, "step_000000003", "step_000000004", "logs")
    (tmp_path / "step_000000003" / "manifest.json").touch()
    assert list(checkpoint_folders.step_folders(root)) == [3, 4]
    checkpoint_folders.remove_leftovers(root)
    assert list(checkpoint_folders.step_folders(root)) == [3]
    folder = checkpoint_folders.temporary_folder(root, 3, 1)
    assert folder == checkpoint_folders.step_folder(root, 3)
    checkpoint_folders.make_temporary(folder)
    assert list(folder.iterdir()) == []
    checkpoint_folders.publish(folder, folder)
    checkpoint_folders.remove_folder(folder)
    assert sorted(os.listdir(tmp_path)) == ["logs"]


@pytest.mark.parametrize("address", ["gs://bucket/run", "run"])
def test_addresses_stay_as_they_are(address):
    path = checkpoint_folders.root_path(address)
    assert str(path) == address
    assert checkpoint_folders.is_local(path) == (address == "run")
