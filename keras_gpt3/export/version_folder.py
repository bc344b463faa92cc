"""Numbered folders that appear with all their files, by one rename."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import re
import shutil
import uuid

from keras_gpt3.argument_checks import check_integer

_VERSION = re.compile(r"[0-9]+")
# A server takes for a version only what is all digits.
_HIDDEN = ".export-{}.tmp"


def write_version(folder, write, version=None):
    """Writes one more numbered folder, whole or not at all.

    The files are written under a hidden name beside the versions, brought to
    the disk, and renamed once: a server that watches the folder never sees a
    part of them. What an earlier call left that was killed is removed first;
    one that is still writing, in any process, is told by its lock and stays.
    """
    if version is not None:
        check_integer("version", version, minimum=1)
    _check_folder(folder)
    folder = pathlib.Path(folder)
    _check_is_free(folder, version)
    new_folders = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _locked_folder(folder) as temporary:
            write(temporary)
            _sync_tree(temporary)
            return _publish(temporary, folder, version)
    except BaseException:
        # One into which another export has put something stays.
        with contextlib.suppress(OSError):
            for new in new_folders:
                new.rmdir()
        raise


def version_numbers(folder):
    """Lists the numbers of the versions that a folder holds."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in names if _VERSION.fullmatch(name))


def _check_folder(folder):
    if "://" in str(folder):
        raise ValueError(
            "The folder must be on a mounted file system, where a rename is "
            f"atomic. Received: filepath='{folder}'. Export to a local folder, "
            "and copy the version from there."
        )
    folder = pathlib.Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            "The folder of the versions must be a folder or not exist yet. "
            f"Received: filepath='{folder}', which is a file. Pass another "
            "path."
        )
    if (folder / "saved_model.pb").exists():
        # Who goes on loading that one would not see what is written below it.
        raise FileExistsError(
            "The folder of the versions must not be a SavedModel itself. "
            f"Received: filepath='{folder}', which holds a saved_model.pb. "
            "Remove it, or pass another path."
        )


def _check_is_free(folder, version):
    if version in version_numbers(folder):
        numbers = ", ".join(map(str, version_numbers(folder)))
        raise FileExistsError(
            f"The version must not be there already. Received: "
            f"version={version}, where '{folder}' holds {numbers}. Pass "
            "another, or None for the next."
        )


@contextlib.contextmanager
def _locked_folder(folder):
    """A hidden folder whose lock says that its process lives."""
    temporary = folder / _HIDDEN.format(uuid.uuid4().hex)
    # Between making and locking it, no other export may look.
    with _lock(folder):
        _remove_leftovers(folder)
        temporary.mkdir()
        descriptor = os.open(temporary, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield temporary
    finally:
        # Renamed, it is no longer there.
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(descriptor)


def _remove_leftovers(folder):
    """Removes hidden folders that nobody holds: the system ends a lock with
    its process, also in another container, where ids of processes mislead.
    """
    for path in folder.glob(_HIDDEN.format("*")):
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            with _lock(path, fcntl.LOCK_NB):
                shutil.rmtree(path)


@contextlib.contextmanager
def _lock(folder, flags=0):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
        yield
    finally:
        os.close(descriptor)


def _publish(temporary, folder, version):
    """Gives the folder its number; another export may be as far."""
    while True:
        number = version or max(version_numbers(folder), default=0) + 1
        final = folder / str(number)
        try:
            os.rename(temporary, final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            _check_is_free(folder, version)
            continue
        _sync(folder)
        return final


def _sync_tree(folder):
    for parent, _, names in os.walk(folder):
        for name in names:
            _sync(os.path.join(parent, name))
        _sync(parent)


def _sync(path):
    """Makes a file's bytes, or the names in a folder, last on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_FILE = pathlib.PurePath("assets.extra", "file_sizes.json")


def write_file_sizes(folder):
    """Writes how many bytes each file of a folder has.

    TensorFlow loads a tokenizer's table of which half has been copied without
    a word, and then has other ids.
    """
    folder = pathlib.Path(folder)
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / _FILE).parent.mkdir(exist_ok=True)
    (folder / _FILE).write_text(json.dumps(sizes, indent=1))


def read_file_sizes(folder):
    """Reads it."""
    try:
        sizes = json.loads((pathlib.Path(folder) / _FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {"": -1}
    return sizes if isinstance(sizes, dict) else {"": -1}
