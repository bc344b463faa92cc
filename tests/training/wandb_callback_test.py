import re
import sys
import types

import keras
import numpy as np
import pytest

from keras_gpt3.training.run import sinks
from keras_gpt3.training.run.sinks import WandbCallback
from tests.training.fake_wandb import fake_wandb


@pytest.fixture
def wandb(monkeypatch):
    module = fake_wandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def fit(callback, epochs=2):
    """Five batches an epoch, with any model of Keras."""
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.ones((10, 2))
    return model.fit(
        x,
        x[:, :1],
        batch_size=2,
        epochs=epochs,
        validation_data=(x, x[:, :1]),
        callbacks=[callback],
        verbose=0,
    ).history


def test_epochs_and_every_few_batches_are_sent(wandb, tmp_path):
    history = fit(WandbCallback("small", tmp_path, {"a": 1}, log_every=2))
    (run,) = wandb.runs
    received = [(sorted(values), values["step"]) for values in run.logged]
    batch = ["batch/loss", "step"]
    epoch = ["epoch/epoch", "epoch/loss", "epoch/val_loss", "step"]
    assert received == [
        (batch, 2),
        (batch, 4),
        (epoch, 5),
        (batch, 7),
        (batch, 9),
        (epoch, 10),
    ]
    for number, values in enumerate((run.logged[2], run.logged[5])):
        assert values["epoch/epoch"] == number
        assert values["epoch/loss"] == history["loss"][number]
        assert values["epoch/val_loss"] == history["val_loss"][number]
    assert run.arguments["dir"] == str(tmp_path)
    assert run.arguments["config"] == {"a": 1}
    assert run.finished


def test_each_fit_makes_a_chart_unless_the_folder_is_the_same(wandb, tmp_path):
    for folder in (None, tmp_path):
        callback = WandbCallback("small", folder)
        fit(callback, epochs=1)
        fit(callback, epochs=1)
    ids = [run.arguments.get("id") for run in wandb.runs]
    assert ids[:2] == [None, None]
    assert ids[2] == ids[3] is not None


def test_of_several_workers_the_chief_alone_sends(wandb, monkeypatch):
    monkeypatch.setattr(sinks, "is_chief", lambda strategy: False)
    fit(WandbCallback("small", log_every=1), epochs=1)
    assert wandb.runs == []


def test_logs_may_be_missing(wandb):
    callback = WandbCallback("small", log_every=1)
    callback.set_model(
        types.SimpleNamespace(
            distribute_strategy=None,
            optimizer=types.SimpleNamespace(iterations=3),
        )
    )
    callback.on_train_begin()
    callback.on_train_batch_end(0)
    callback.on_epoch_end(0)
    assert wandb.runs[0].logged == [{"step": 3}, {"step": 3, "epoch/epoch": 0}]


def test_without_wandb_it_raises_before_fit(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match="^wandb must be installed to log"):
        WandbCallback("small")


def test_a_rate_below_every_batch_raises(wandb):
    message = (
        "log_every must be an integer of at least 1. Received: log_every=0. "
        "Pass 1 or more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        WandbCallback("small", log_every=0)
