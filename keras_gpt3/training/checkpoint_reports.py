"""What the log and the errors say of checkpoints (and TensorFlow's errors)."""

import errno
import logging

from keras_gpt3.training.checkpoint_folders import step_folder

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
