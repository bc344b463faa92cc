"""The folders of a run's checkpoints, which appear and vanish as a whole.

On a file system a checkpoint is written under a hidden name and then renamed.
A bucket has no names to change, but a file of it appears whole: there the
manifest, which is written last, makes the checkpoint.
"""

import os
import pathlib
import re
import shutil

from keras_gpt3.atomic_write import fsync_path
from keras_gpt3.training.checkpoints.manifest import MANIFEST_NAME

_STEP = re.compile(r"step_(\d{9,})")
# Hidden folders' names say what they are and which process made them: one being
# written, one whose step is being written anew, one being removed.
_HIDDEN = re.compile(r"\.(step_\d{9,})\.(tmp|replaced|trash)-(\d+)")


def root_path(folder):
    """A path of `pathlib`, or of `etils.epath` for the address of a bucket."""
    folder = os.fspath(folder)
    if "://" not in folder:
        return pathlib.Path(folder)
    from etils import epath

    return epath.Path(folder)


def is_local(path):
    """Whether a path is one of a file system."""
    return isinstance(path, pathlib.Path)


def step_folder(root, step):
    """The folder of a step's checkpoint."""
    return root / f"step_{step:09d}"


def step_folders(root):
    """Find the folders of all checkpoints, complete or damaged."""
    found = {}
    for path in _entries(root):
        hidden = _HIDDEN.fullmatch(path.name)
        name = _STEP.fullmatch(hidden[1] if hidden else path.name)
        if name is None or (hidden and hidden[2] != "replaced"):
            continue
        final = step_folder(root, int(name[1]))
        # A kill between two renames leaves the replaced one only.
        if path == final or (hidden and not final.exists()):
            found[int(name[1])] = path
    return dict(sorted(found.items()))


def temporary_folder(root, step, process_id):
    """The folder in which a process writes a checkpoint."""
    final = step_folder(root, step)
    if not is_local(root):
        return final
    return final.with_name(f".{final.name}.tmp-{process_id}")


def make_temporary(folder):
    """Make a temporary folder; what has its name, in a bucket, goes."""
    if not is_local(folder) and folder.exists():
        remove_folder(folder)
    folder.mkdir(parents=True)


def discard_temporary(folder):
    """Remove what is left of a temporary folder."""
    if is_local(folder):
        shutil.rmtree(folder, ignore_errors=True)


def publish(temporary, final):
    """Give a whole checkpoint its name, also where there is one already.

    At every moment one of the two checkpoints is under the name or, between
    two renames, is hidden where `step_folders` finds it.
    """
    if temporary == final:
        return
    fsync_path(temporary)
    replaced = _hidden(final, "replaced")
    is_replacement = final.exists()
    if is_replacement:
        os.rename(final, replaced)
    try:
        os.rename(temporary, final)
    except OSError:
        if is_replacement:
            os.rename(replaced, final)
        raise
    fsync_path(final.parent)


def remove_folder(folder):
    """Remove a checkpoint; a kill on the way leaves none that looks whole."""
    if not is_local(folder):
        (folder / MANIFEST_NAME).unlink(missing_ok=True)
        folder.rmtree()
        return
    hidden = _HIDDEN.fullmatch(folder.name)
    if hidden is None or hidden[2] == "replaced":
        name = hidden[1] if hidden else folder.name
        trash = _hidden(folder.with_name(name), "trash")
        os.rename(folder, trash)
        folder = trash
    shutil.rmtree(folder)


def remove_leftovers(root):
    """Remove what processes left that were killed while they wrote.

    A replaced checkpoint gets its name back if no other has it. The caller
    ensures that nothing else of its own process writes here.
    """
    if not is_local(root):
        for folder in step_folders(root).values():
            if not (folder / MANIFEST_NAME).exists():
                folder.rmtree()
        return
    # Trash is last by name and goes first: what is removed takes such names.
    for path in reversed(_entries(root)):
        hidden = _HIDDEN.fullmatch(path.name)
        if hidden is None or _is_other_process(int(hidden[3])):
            continue
        final = path.with_name(hidden[1])
        if hidden[2] == "replaced" and not final.exists():
            os.rename(path, final)
        else:
            remove_folder(path)


def _hidden(final, kind):
    return final.with_name(f".{final.name}.{kind}-{os.getpid()}")


def _is_other_process(process_id):
    """Whether an id is that of a live process other than this one."""
    if process_id == os.getpid():
        return False
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # It lives, as another user's.
    return True


def _entries(root):
    try:
        return sorted(root.iterdir())
    except FileNotFoundError:
        return []
