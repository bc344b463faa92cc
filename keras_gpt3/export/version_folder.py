"""Numbered folders that appear with all their files, by one rename."""

import json
import os
import pathlib
import re
import shutil

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.atomic_write import atomic_folder
from keras_gpt3.atomic_write import fsync_path
from keras_gpt3.atomic_write import made_folder

# For a server only names of digits are versions.
_VERSION = re.compile(r"[0-9]+")
_LEFTOVER = re.compile(r"\.[0-9]+-[0-9a-f]{8}\.tmp")


def write_version(folder, write, version=None):
    """Write one more numbered folder, whole or not at all.

    The files are written under a hidden name beside the versions, brought to
    the disk, and renamed once: a server that watches the folder never sees a
    part of them. What a killed call left is removed by the next one.
    """
    if version is not None:
        check_integer("version", version, minimum=1)
    _check_folder(folder)
    folder = pathlib.Path(folder)
    _check_is_free(folder, version)
    with made_folder(folder):
        for path in folder.iterdir():
            if _LEFTOVER.fullmatch(path.name):
                shutil.rmtree(path)
        number = version or max(version_numbers(folder), default=0) + 1
        with atomic_folder(folder / str(number)) as temporary:
            write(temporary)
            _fsync_tree(temporary)
        fsync_path(folder)
    return folder / str(number)


def version_numbers(folder):
    """List the numbers of the versions that a folder holds."""
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
        # A program that loads it would never see the versions below it.
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


def _fsync_tree(folder):
    for parent, _, names in os.walk(folder):
        for name in names:
            fsync_path(os.path.join(parent, name))
        fsync_path(parent)


_METADATA = pathlib.PurePath("assets.extra", "keras_gpt3.json")


def write_metadata(folder, metadata):
    """Write what a server must know of a version and no signature says.

    Beside the metadata given, how many bytes each file has: TensorFlow loads a
    tokenizer's table of which half has been copied without a word, and then
    has other ids. TensorFlow Serving ignores the file.
    """
    folder = pathlib.Path(folder)
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / _METADATA).parent.mkdir(exist_ok=True)
    text = json.dumps(metadata | {"file_sizes": sizes}, indent=1)
    (folder / _METADATA).write_text(text)


def read_metadata(folder):
    """Read it; `None` where it is missing or not whole."""
    try:
        return json.loads((pathlib.Path(folder) / _METADATA).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
