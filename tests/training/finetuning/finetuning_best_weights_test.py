import dataclasses
import json
import types

import keras
import numpy as np
import pytest

from keras_gpt3.training.finetuning.finetune import BestWeights
from keras_gpt3.training.finetuning.finetune import FinetuningHistory
from keras_gpt3.training.finetuning.finetune import StepHistory

# === Finetuning best weights ===


@pytest.mark.parametrize(
    ("losses", "best", "value"),
    [
        ([3.0, 1.0, 2.0], 1, 1.0),
        ([1.0, 1.0], 0, 0.0),
        # Without a validation, the last weights stay.
        ([None, None, None], 2, 2.0),
    ],
)
def test_the_weights_of_the_lowest_loss_come_back(losses, best, value):
    weight = keras.Variable(np.zeros(2))
    kept = BestWeights(types.SimpleNamespace(trainable_variables=[weight]))
    for epoch, loss in enumerate(losses):
        weight.assign(np.full(2, epoch))
        kept.consider(epoch, loss)
    assert kept.restore() == best
    np.testing.assert_array_equal(weight, np.full(2, value))


# === Finetuning history ===


def test_a_new_history_is_empty_and_its_own():
    history = FinetuningHistory()
    history.loss.append(1.0)
    assert FinetuningHistory() == FinetuningHistory([], [], [], None)
    assert json.loads(json.dumps(dataclasses.asdict(history)))["loss"] == [1.0]


# === Finetuning step history ===


def test_steps_are_told_from_the_means_that_keras_logs():
    history = FinetuningHistory()
    callback = StepHistory(history)
    tracker = types.SimpleNamespace(total=0.0, count=0.0)
    callback.set_model(types.SimpleNamespace(loss_tracker=tracker))
    for epoch in range(2):
        tracker.total = tracker.count = 0.0
        callback.on_epoch_begin(epoch)
        for batch, (loss, tokens) in enumerate([(3.0, 10), (1.0, 30)]):
            tracker.total += loss * tokens
            tracker.count += tokens
            callback.on_train_batch_end(batch, {"learning_rate": 0.5})
        callback.on_epoch_end(epoch, {"loss": tracker.total / tracker.count})
    assert history.loss == pytest.approx([3.0, 1.0, 3.0, 1.0])
    assert history.learning_rate == [0.5] * 4
    assert history.epochs == [
        {"step": 2, "loss": 1.5},
        {"step": 4, "loss": 1.5},
    ]
    assert history.best_epoch is None
