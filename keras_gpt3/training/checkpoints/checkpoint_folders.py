"""The folders of a run's checkpoints, which appear and vanish as a whole."""

import contextlib
import errno
import logging
import os
import pathlib
import re
import shutil

_STEP = re.compile(r"step_(\d{9,})")
# Hidden folders tell what they are and which process made them: one being
# written, one whose step is being written anew, one being removed.
_HIDDEN = re.compile(r"\.(step_\d{9,})\.(tmp|replaced|trash)-(\d+)")


def step_folder(root, step):
    """Return the folder of a step's checkpoint."""
    return pathlib.Path(root, f"step_{step:09d}")


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


@contextlib.contextmanager
def temporary_folder(root, step):
    """Make a hidden folder to write a checkpoint in."""
    folder = _hidden(step_folder(root, step), "tmp")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(temporary, final):
    """Give a whole checkpoint its name, also where there is one already.

    At every moment one of the two checkpoints is under the name or, between
    two renames, is hidden where `step_folders` finds it.
    """
    _sync_folder(temporary)
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
    _sync_folder(final.parent)


def remove_folder(folder):
    """Remove a checkpoint; a kill on the way leaves none that looks whole."""
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
    sees to it that nothing else of its own process writes here.
    """
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
        return sorted(pathlib.Path(root).iterdir())
    except FileNotFoundError:
        return []


def _sync_folder(folder):
    """Make the names in a folder last on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_logger = logging.getLogger("keras_gpt3")
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def log_failed_save(folder, step, latest_step, error):
    """Log that a checkpoint could not be written, with its traceback."""
    last = f"its last checkpoint is that of step {latest_step}"
    if latest_step is None:
        last = "it has no checkpoint that can be read"
    remedy = f"Check that {folder} can be written"
    if _is_out_of_space(error):
        remedy = f"Free space in {folder}"
    _logger.error(
        "The checkpoint of step %d could not be written: %s. The run goes on; "
        "%s. %s.",
        step,
        # Some errors, of memory above all, have no text.
        str(error) or type(error).__name__,
        last,
        remedy,
        exc_info=error,
    )


def _is_out_of_space(error):
    """Whether a disk, a quota or the largest size of a file is exceeded."""
    import tensorflow as tf

    out_of_space = tf.errors.ResourceExhaustedError, tf.errors.OutOfRangeError
    number = getattr(error, "errno", None)
    return isinstance(error, out_of_space) or number in _NO_SPACE


def log_failed_removal(folder, error):
    """Log that old checkpoints could not be removed."""
    _logger.error(
        "Old checkpoints in %s could not be removed: %s. The next save tries "
        "again.",
        folder,
        error,
    )


def log_damages(damages, used):
    """Log which checkpoints are passed over."""
    for step, damage in damages.items():
        _logger.error(
            "Checkpoint %s is damaged: %s. Using step %d before it.",
            step_folder("", step),
            damage,
            used,
        )


def check_exists(folder, steps, step):
    """Raise unless there is a checkpoint of a step."""
    if step not in steps:
        raise FileNotFoundError(
            "step must be that of a checkpoint in the folder. Received: "
            f"step={step}, folder='{folder}' with the steps {steps}. Pass one "
            "of them, or None for the newest."
        )


def raise_damaged(folder, damages):
    """Raise that no checkpoint asked for is sound."""
    found = "; ".join(f"step {step}: {text}" for step, text in damages.items())
    raise ValueError(
        "A checkpoint must be sound to be restored. Received: "
        f"folder='{folder}' ({found}). Restore another step or start in "
        "another folder."
    )
