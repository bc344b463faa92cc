import re
import sys

import numpy as np
import pytest

from keras_gpt3.training.run.sinks import WandbSink
from tests.training.fake_wandb import fake_wandb


@pytest.fixture
def wandb(monkeypatch):
    module = fake_wandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


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
