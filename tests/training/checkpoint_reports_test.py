import errno
import logging
import re

import pytest
import tensorflow as tf

from keras_gpt3.training.checkpoints import checkpoint_folders


def logged(caplog):
    """The texts of the log, all of them errors of the package's logger."""
    levels = {(name, level) for name, level, _ in caplog.record_tuples}
    assert levels == {("keras_gpt3", logging.ERROR)}
    return [text for _, _, text in caplog.record_tuples]


@pytest.mark.parametrize(
    ("error", "cause", "remedy"),
    [
        (
            OSError(errno.ENOSPC, "No space left"),
            "[Errno 28] No space left",
            "Free space in run.",
        ),
        (
            tf.errors.ResourceExhaustedError(None, None, "full"),
            "full",
            "Free space in run.",
        ),
        (
            tf.errors.OutOfRangeError(None, None, "File too large"),
            "File too large",
            "Free space in run.",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied"),
            "[Errno 13] Permission denied",
            "Check that run can be written.",
        ),
        (MemoryError(), "MemoryError", "Check that run can be written."),
    ],
)
def test_a_failed_save_is_logged_with_its_remedy(error, cause, remedy, caplog):
    checkpoint_folders.log_failed_save("run", 200, 100, error)
    assert logged(caplog) == [
        f"The checkpoint of step 200 could not be written: {cause}. The run "
        f"goes on; its last checkpoint is that of step 100. {remedy}"
    ]
    assert caplog.records[0].exc_info[1] is error


def test_a_failed_save_without_one_before_it_says_so(caplog):
    checkpoint_folders.log_failed_save("run", 200, None, ValueError("no"))
    assert logged(caplog) == [
        "The checkpoint of step 200 could not be written: no. The run goes "
        "on; it has no checkpoint that can be read. Check that run can be "
        "written."
    ]


def test_a_failed_removal_is_logged(caplog):
    checkpoint_folders.log_failed_removal("run", OSError("busy"))
    assert logged(caplog) == [
        "Old checkpoints in run could not be removed: busy. The next save "
        "tries again."
    ]


def test_each_damaged_checkpoint_is_logged(caplog):
    checkpoint_folders.log_damages({30: "a is missing", 20: "b is long"}, 10)
    assert logged(caplog) == [
        "Checkpoint step_000000030 is damaged: a is missing. Using step 10 "
        "before it.",
        "Checkpoint step_000000020 is damaged: b is long. Using step 10 "
        "before it.",
    ]


def test_a_step_that_there_is_not_is_an_error():
    checkpoint_folders.check_exists("run", [10, 20], 20)
    message = (
        "step must be that of a checkpoint in the folder. Received: step=30, "
        "folder='run' with the steps [10, 20]. Pass one of them, or None for "
        "the newest."
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        checkpoint_folders.check_exists("run", [10, 20], 30)


def test_the_error_of_no_sound_checkpoint_names_them_all():
    message = (
        "A checkpoint must be sound to be restored. Received: folder='run' "
        "(step 30: a is missing; step 20: b is long). Restore another step or "
        "start in another folder."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        checkpoint_folders.raise_damaged(
            "run", {30: "a is missing", 20: "b is long"}
        )
