import pytest
import tensorflow as tf

from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.parallel.replicas import from_first_worker
from keras_gpt3.parallel.replicas import wait_for_all


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
