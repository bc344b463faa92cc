import re
import sys
import types

import keras
import numpy as np
import pytest

from keras_gpt3.training.run import sinks
from keras_gpt3.training.run.sinks import WandbCallback
from keras_gpt3.training.run.sinks import WandbSink
from tests.training.fake_wandb import fake_wandb

# === Wandb callback ===


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


# === Wandb sink ===


def test_records_are_sent_by_their_own_step(wandb, tmp_path):
    sink = WandbSink("small", tmp_path)
    sink(
        {
            "kind": "train",
            "step": 7,
            "loss": np.float32(2.5),
            "applied": True,
            "noise_scale_tokens": None,
            "contexts": [1],
        },
        is_due=True,
    )
    sink({"kind": "train", "step": 8, "loss": 1.0}, is_due=False)
    # After a rollback steps come again.
    sink({"kind": "validation", "step": 6, "books/loss": 3.0}, is_due=True)
    (run,) = wandb.runs
    assert run.logged == [
        {"step": 7, "train/loss": 2.5, "train/applied": 1.0},
        {"step": 6, "validation/books/loss": 3.0},
    ]
    assert run.metrics == {"*": "step"}
    assert not run.finished
    sink.close()
    assert run.finished


def test_a_resumed_run_goes_on_in_the_same_chart(wandb, tmp_path):
    folders = [tmp_path / "runs" / "a", tmp_path / "b", tmp_path / "runs" / "a"]
    for folder in folders:
        WandbSink("small", folder, {"seed": 3})
    first, other, resumed = (run.arguments for run in wandb.runs)
    assert first == resumed
    assert first == {
        "project": "small",
        "config": {"seed": 3},
        "dir": str(folders[0]),
        "name": "a",
        "id": first["id"],
        "resume": "allow",
    }
    assert re.fullmatch("[0-9a-f]{16}", first["id"])
    assert other["id"] != first["id"]


def test_a_folder_that_was_moved_keeps_its_chart(wandb, tmp_path):
    WandbSink("small", tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    WandbSink("small", tmp_path / "b")
    before, after = (run.arguments for run in wandb.runs)
    assert before["id"] == after["id"]
    assert (before["name"], after["name"]) == ("a", "b")


def test_without_a_folder_each_run_is_new(wandb):
    WandbSink("small", None)
    assert wandb.runs[0].arguments == {"project": "small", "config": None}


def test_without_wandb_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    message = (
        "wandb must be installed to log to it. Received: "
        "wandb_project='small'. Install it with pip install wandb, or leave "
        "the project out."
    )
    with pytest.raises(ImportError, match=f"^{re.escape(message)}$"):
        WandbSink("small", tmp_path / "new")
    assert not (tmp_path / "new").exists()
