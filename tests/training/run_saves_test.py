import logging
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training import RunCheckpoints
from keras_gpt3.training.run import state
from keras_gpt3.training.run.state import RunSaves
from tests.training.small_training import new_model

FACTS = {"state": {"step": 3}}


def make_saves(folder, is_chief=True, identity=None, model=None):
    if model is None:
        model = new_model(1, "adamw", ("dense",))
        model.optimizer.build(model.trainable_variables)
    strategy = tf.distribute.get_strategy()
    identity = {"seed": 0} if identity is None else identity
    checkpoints = RunCheckpoints(folder)
    return RunSaves(model, strategy, checkpoints, identity, is_chief), model


def test_what_is_saved_comes_back(tmp_path):
    saves, model = make_saves(tmp_path)
    assert saves.restore() is None
    weights = model.get_weights()
    saves.save(3, FACTS, metric=2.5)
    assert saves.last_step == 3
    model.set_weights([np.zeros_like(w) for w in weights])
    facts = saves.restore()
    assert facts["state"] == {"step": 3}
    assert facts["metric"] == 2.5
    for value, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, expected)
    saves.finish(3)


@pytest.mark.parametrize("metric", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_no_metric(tmp_path, metric):
    saves, _ = make_saves(tmp_path)
    saves.save(3, FACTS, metric)
    assert saves.restore()["metric"] is None


def test_others_restore_what_the_first_worker_chose(tmp_path, monkeypatch):
    saves, model = make_saves(tmp_path)
    for step in (3, 5):
        saves.save(step, {"state": {"step": step}})
    saves.finish(5)
    told = {"step": 3}
    monkeypatch.setattr(
        state, "from_first_worker", lambda strategy, number: told["step"]
    )
    other, _ = make_saves(tmp_path, is_chief=False, model=model)
    assert other.restore()["state"] == {"step": 3}
    told["step"] = state._NONE
    assert other.restore() is None
    told["step"] = state._FAILED
    message = (
        "The first worker must restore a checkpoint. Received: an error there. "
        "Its log says which."
    )
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"):
        other.restore()
    other.save(9, FACTS)  # Writes nothing.
    other.finish(9)
    assert RunCheckpoints(tmp_path).steps() == [3, 5]


def test_the_first_worker_tells_others_that_it_failed(tmp_path, monkeypatch):
    saves, _ = make_saves(tmp_path)
    saves.save(3, FACTS)
    saves.finish(3)
    (data,) = (tmp_path / "step_000000003").glob("arrays.data*")
    data.write_bytes(b"")
    told = []
    monkeypatch.setattr(
        state,
        "from_first_worker",
        lambda strategy, number: told.append(number),
    )
    with pytest.raises(ValueError, match="A checkpoint must be sound"):
        saves.restore()
    assert told == [state._FAILED]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    saves, model = make_saves(tmp_path)
    saves.save(3, FACTS)
    saves.finish(3)
    other, _ = make_saves(tmp_path, identity={"seed": 1}, model=model)
    message = (
        "A checkpoint must be one of this run. Received: seed 0 there, 1 here. "
        "Put back what the run began with, or use another folder."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        other.restore()


def test_a_last_checkpoint_that_is_not_there_raises(tmp_path, caplog):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    saves, _ = make_saves(folder)
    saves.save(3, FACTS)
    saves.finish(3)
    message = (
        "The last checkpoint must be written. Received: step=4, where the last "
        "one there is that of step 3. The log says why; mend it and start the "
        "run again, which goes on from there."
    )
    with (
        caplog.at_level(logging.ERROR, "keras_gpt3"),
        pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"),
    ):
        saves.finish(4)
