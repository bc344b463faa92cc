import pytest
import tensorflow as tf

from keras_gpt3.parallel.replicas import is_worker_failure

errors = tf.errors


@pytest.mark.parametrize(
    "kind",
    [
        errors.UnavailableError,
        errors.AbortedError,
        errors.DeadlineExceededError,
        errors.CancelledError,
    ],
)
def test_errors_that_only_a_cluster_has_are_a_worker_s_failure(kind):
    assert is_worker_failure(kind(None, None, "gone"))


@pytest.mark.parametrize("kind", [errors.InternalError, errors.UnknownError])
@pytest.mark.parametrize(
    "text, expected",
    [
        ("Collective ops is aborted", True),
        ("ring: collective_ops", True),
        ("Connection reset by peer", True),
        ("from remote task /job:worker/replica:0/task:1", True),
        ("CUDA error: an illegal memory access", False),
    ],
)
def test_general_errors_are_one_if_they_speak_of_other_workers(
    kind, text, expected
):
    assert is_worker_failure(kind(None, None, text)) is expected


@pytest.mark.parametrize(
    "error",
    [
        ValueError("collective"),
        errors.InvalidArgumentError(None, None, "/job:worker"),
        errors.ResourceExhaustedError(None, None, "/job:worker out of memory"),
        KeyboardInterrupt(),
    ],
)
def test_errors_of_this_worker_s_own_are_none(error):
    assert not is_worker_failure(error)
