import logging
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training import RunCheckpoints
from keras_gpt3.training.checkpoints import model_checkpointer
from keras_gpt3.training.checkpoints.model_checkpointer import ModelCheckpointer
from keras_gpt3.training.checkpoints.tensorflow_format import TensorFlowFormat
from tests.training.small_training import new_model

METADATA = {"state": {"step": 3}}


def make_checkpointer(folder, is_chief=True, identity=None, model=None):
    if model is None:
        model = new_model(1, "adamw", ("dense",))
        model.optimizer.build(model.trainable_variables)
    identity = {"seed": 0} if identity is None else identity
    checkpointer = ModelCheckpointer(
        model,
        folder,
        TensorFlowFormat(),
        identity,
        strategy=tf.distribute.get_strategy(),
    )
    checkpointer._is_first = is_chief
    return checkpointer, model


def test_what_is_saved_comes_back(tmp_path):
    checkpointer, model = make_checkpointer(tmp_path)
    assert checkpointer.restore() is None
    weights = model.get_weights()
    checkpointer.save(3, METADATA, metric=2.5)
    assert checkpointer.last_step == 3
    model.set_weights([np.zeros_like(w) for w in weights])
    restored = checkpointer.restore()
    assert restored.metadata["state"] == {"step": 3}
    assert restored.metric == 2.5
    for value, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, expected)
    checkpointer.finish(3)


@pytest.mark.parametrize("metric", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_no_metric(tmp_path, metric):
    checkpointer, _ = make_checkpointer(tmp_path)
    checkpointer.save(3, METADATA, metric)
    assert checkpointer.restore().metric is None


def test_others_restore_what_the_first_worker_chose(tmp_path, monkeypatch):
    checkpointer, model = make_checkpointer(tmp_path)
    for step in (3, 5):
        checkpointer.save(step, {"state": {"step": step}})
    checkpointer.finish(5)
    told = {"step": 3}
    monkeypatch.setattr(
        model_checkpointer,
        "from_first_worker",
        lambda strategy, number: told["step"],
    )
    other, _ = make_checkpointer(tmp_path, is_chief=False, model=model)
    assert other.restore().metadata["state"] == {"step": 3}
    told["step"] = model_checkpointer._NONE
    assert other.restore() is None
    told["step"] = model_checkpointer._FAILED
    message = (
        "The first worker must restore a checkpoint. Received: an error there. "
        "Its log says which."
    )
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"):
        other.restore()
    other.save(9, METADATA)  # Writes nothing.
    other.finish(9)
    assert RunCheckpoints(tmp_path).steps() == [3, 5]


def test_the_first_worker_tells_others_that_it_failed(tmp_path, monkeypatch):
    checkpointer, _ = make_checkpointer(tmp_path)
    checkpointer.save(3, METADATA)
    checkpointer.finish(3)
    (data,) = (tmp_path / "step_000000003").glob("arrays.data*")
    data.write_bytes(b"")
    told = []
    monkeypatch.setattr(
        model_checkpointer,
        "from_first_worker",
        lambda strategy, number: told.append(number),
    )
    with pytest.raises(ValueError, match="A checkpoint must be sound"):
        checkpointer.restore()
    assert told == [model_checkpointer._FAILED]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    checkpointer, model = make_checkpointer(tmp_path)
    checkpointer.save(3, METADATA)
    checkpointer.finish(3)
    other, _ = make_checkpointer(tmp_path, identity={"seed": 1}, model=model)
    message = (
        "A checkpoint must be one of this run. Received: folder="
        f"'{tmp_path}/step_000000003', which has other values: seed=0 there, "
        "1 here. Use the model, the optimizer and the data that the run began "
        "with, or another folder."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        other.restore()


def test_a_last_checkpoint_that_is_not_there_raises(tmp_path, caplog):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    checkpointer, _ = make_checkpointer(folder)
    checkpointer.save(3, METADATA)
    checkpointer.finish(3)
    message = (
        "The last checkpoint must be written. Received: step=4, where the last "
        "one there is that of step 3. The log says why; fix it and rerun: the "
        "run resumes from there."
    )
    with (
        caplog.at_level(logging.ERROR, "keras_gpt3"),
        pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"),
    ):
        checkpointer.finish(4)
