import keras
import pytest
import tensorflow as tf

from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.parallel.replicas import from_first_worker
from keras_gpt3.parallel.replicas import is_worker_failure
from keras_gpt3.parallel.replicas import wait_for_all

pytestmark = pytest.mark.backend("tensorflow", reason="`TF_CONFIG`")

# === Worker barrier ===


@pytest.fixture
def exchanged(monkeypatch):
    """What replicas summed up, as often as the barrier fetched a sum."""
    sums = []
    fetch = tf.distribute.Strategy.experimental_local_results

    def spy(self, value):
        results = fetch(self, value)
        sums.append([float(result) for result in results])
        return results

    monkeypatch.setattr(
        tf.distribute.Strategy, "experimental_local_results", spy
    )
    return sums


@pytest.mark.parametrize(
    "strategy", [tf.distribute.get_strategy, lambda: mirrored_strategy(2)]
)
def test_one_worker_waits_for_nobody(strategy, exchanged):
    wait_for_all(strategy())
    assert from_first_worker(strategy(), 7) == 7
    assert exchanged == []


def test_workers_get_the_number_of_the_first_one(monkeypatch, exchanged):
    # Two replicas stand for two workers: they exchange in the same way.
    monkeypatch.setattr(
        tf.distribute,
        "MultiWorkerMirroredStrategy",
        tf.distribute.MirroredStrategy,
    )
    # Only the first one's number goes into the sum.
    assert from_first_worker(mirrored_strategy(2), 2**48 + 1) == 2**48 + 1
    wait_for_all(mirrored_strategy(2))
    assert exchanged == [[2.0**48 + 1] * 2, [0.0, 0.0]]


# === Worker failure ===


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
    "text, expected",
    [
        ("UNKNOWN: Gloo all-reduce failed: Connection reset by peer", True),
        ("INTERNAL: NCCL operation failed: remote process exited", True),
        ("UNAVAILABLE: Task 1 heartbeat timeout", True),
        ("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes", False),
        ("INTERNAL: Failed to enable peer access", False),
    ],
)
def test_jax_has_one_kind_of_error_which_speaks_of_others(
    text, expected, monkeypatch
):
    jax = pytest.importorskip("jax")
    error = jax.errors.JaxRuntimeError(text)
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    assert not is_worker_failure(error)  # One process has no others.
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert is_worker_failure(error) is expected
    # There TensorFlow reads the data alone.
    assert not is_worker_failure(errors.UnavailableError(None, None, text))


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
