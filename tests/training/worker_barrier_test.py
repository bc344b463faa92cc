import pytest
import tensorflow as tf

from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.training.worker_barrier import wait_for_all


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
    assert exchanged == []


def test_workers_wait_for_a_sum_that_all_of_them_add_to(monkeypatch, exchanged):
    # Two replicas stand for two workers: they exchange in the same way.
    monkeypatch.setattr(
        tf.distribute,
        "MultiWorkerMirroredStrategy",
        tf.distribute.MirroredStrategy,
    )
    wait_for_all(mirrored_strategy(2))
    assert exchanged == [[2.0, 2.0]]
