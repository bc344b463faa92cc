"""`fit` follows a growing batch without tracing its step again."""

import keras
import numpy as np
import pytest

from keras_gpt3.data import BatchRamp
from keras_gpt3.data import packed_dataset
from keras_gpt3.ops import op_compilation
from keras_gpt3.training.step import train_step
from tests.small_gpt3 import LENGTH
from tests.training.small_run import write_shards
from tests.training.small_training import assert_same_weights
from tests.training.small_training import new_model

STEPS = 8


class Sizes(keras.callbacks.Callback):
    """Keeps how many tokens each batch had."""

    def on_train_begin(self, logs=None):
        self.tokens = [0.0]

    def on_train_batch_end(self, batch, logs=None):
        replicas = self.model.distribute_strategy.num_replicas_in_sync
        count = keras.ops.divide(self.model.loss_tracker.count, replicas)
        self.tokens.append(float(count))


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
def test_fit_follows_a_batch_ramp_in_one_trace(tmp_path, monkeypatch, replicas):
    traces = []
    real = train_step.replica_gradients
    monkeypatch.setattr(
        train_step,
        "replica_gradients",
        lambda *args, **kwargs: (traces.append(1), real(*args, **kwargs))[1],
    )
    shards = write_shards(tmp_path, 3000, seed=0)
    ramp = BatchRamp(8, 2, ramp_sequences=24, multiple=2)
    sizes = Sizes()
    models = []
    for batch_size in (ramp, 2):
        dataset = packed_dataset(shards, LENGTH, batch_size)
        if batch_size is not ramp:
            # The same contexts in batches of the ramp's sizes, one by one.
            dataset = dataset.unbatch()
        model = new_model(
            replicas, "adamw", ("dense",), lambda: {"micro_batch_size": 1}
        )
        models.append(model)
        with op_compilation(False):
            if batch_size is ramp:
                model.fit(
                    dataset,
                    steps_per_epoch=STEPS,
                    callbacks=[sizes],
                    verbose=0,
                )
                assert len(traces) == replicas
                continue
            rows = iter(dataset.as_numpy_iterator())
            for step in range(STEPS):
                batch = [next(rows) for _ in range(ramp.size_at(step))]
                x, y = keras.tree.map_structure(
                    lambda *parts: np.stack(parts), *batch
                )
                model.fit(x, y, batch_size=len(y), verbose=0)
    received = np.diff(sizes.tokens) / LENGTH
    assert received.tolist() == [ramp.size_at(step) for step in range(STEPS)]
    assert len(set(received)) > 2
    assert_same_weights(*models)
