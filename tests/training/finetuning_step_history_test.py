import types

import pytest

from keras_gpt3.training.finetuning.finetune import FinetuningHistory
from keras_gpt3.training.finetuning.finetune import StepHistory


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
