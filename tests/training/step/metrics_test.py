import types

import keras
import numpy as np
import pytest

from keras_gpt3.training import Perplexity
from keras_gpt3.training import TrainingProgress
from keras_gpt3.training.step import metrics

# === Training progress ===


@pytest.fixture
def clock(monkeypatch):
    """A clock that shows what `clock.now` is set to."""
    clock = types.SimpleNamespace(now=0.0)
    fake = types.SimpleNamespace(perf_counter=lambda: clock.now)
    monkeypatch.setattr(metrics, "time", fake)
    return clock


def progress(replicas=1):
    """The callback on a stand-in of a model that has counted no token."""
    callback = TrainingProgress()
    callback.set_model(
        types.SimpleNamespace(
            loss_tracker=types.SimpleNamespace(count=0.0),
            distribute_strategy=types.SimpleNamespace(
                num_replicas_in_sync=replicas
            ),
        )
    )
    return callback


def end_batch(callback, batch, tokens):
    """Ends a batch; returns the rate in the logs."""
    callback.model.loss_tracker.count = tokens
    logs = {"loss": 1.0}
    callback.on_train_batch_end(batch, logs)
    assert logs["loss"] == 1.0
    return logs["tokens_per_second"]


@pytest.mark.parametrize("steps", [1, 2])
def test_the_first_execution_counts_until_there_is_a_second(steps, clock):
    callback = progress()
    callback.on_epoch_begin(0)
    clock.now = 10.0  # It compiles.
    assert end_batch(callback, steps - 1, tokens=20.0) == 2.0
    clock.now = 12.0
    assert end_batch(callback, 2 * steps - 1, tokens=60.0) == 20.0
    clock.now = 20.0
    assert end_batch(callback, 3 * steps - 1, tokens=70.0) == 5.0


def test_an_epoch_ends_with_its_last_rate_and_starts_afresh(clock):
    callback = progress()
    callback.on_epoch_begin(0)
    for batch in range(2):
        clock.now += 2.0
        end_batch(callback, batch, tokens=100.0 * (batch + 1))
    logs = {}
    callback.on_epoch_end(0, logs)
    assert logs == {"tokens_per_second": 50.0}
    callback.on_epoch_begin(1)
    clock.now += 1.0
    assert end_batch(callback, 0, tokens=7.0) == 7.0


def test_the_tokens_that_each_replica_counted_count_once(clock):
    callback = progress(replicas=2)
    callback.on_epoch_begin(0)
    clock.now = 1.0
    assert end_batch(callback, 0, tokens=80.0) == 40.0


def test_an_epoch_without_a_batch_has_no_rate(clock):
    logs = {}
    callback = progress()
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0, logs)
    assert logs == {}


# === Perplexity ===


def test_is_the_exponential_of_the_weighted_mean():
    metric = Perplexity()
    metric.update_state([1.0, 3.0], sample_weight=[3.0, 1.0])
    metric.update_state(2.0, sample_weight=4.0)
    mean = (3.0 * 1.0 + 3.0 + 8.0) / 8.0
    assert float(metric.result()) == pytest.approx(np.exp(mean))
    metric.reset_state()
    assert float(metric.result()) == 1.0


def test_survives_serialization():
    config = keras.metrics.serialize(Perplexity(name="other"))
    copy = keras.metrics.deserialize(config)
    assert type(copy) is Perplexity
    assert copy.name == "other"
