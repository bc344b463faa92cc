import os
import pathlib
import re
import sys

import keras
import numpy as np
import pytest
from etils import epath

from keras_gpt3.training import RunCheckpoints
from keras_gpt3.training import ShardedCheckpoint
from keras_gpt3.training import restore_sharded_checkpoint
from keras_gpt3.training.checkpoints.checkpointer import Checkpointer
from keras_gpt3.training.checkpoints.orbax_format import OrbaxFormat
from keras_gpt3.training.checkpoints.orbax_format import import_orbax
from tests.training.sharded_models import sharded_model

JAX = pytest.mark.backend("jax", reason="Orbax is used on JAX alone")
SAVE_OR_RESTORE = [
    lambda: ShardedCheckpoint("run"),
    lambda: restore_sharded_checkpoint(None, "run"),
]


@pytest.mark.backend("tensorflow", reason="JAX has what this one lacks")
@pytest.mark.parametrize("function", SAVE_OR_RESTORE)
def test_another_backend_raises_and_names_its_own_checkpoints(function):
    with pytest.raises(
        NotImplementedError,
        match="^A sharded checkpoint must run on Keras' JAX backend. Received: "
        "KERAS_BACKEND=tensorflow. Use the checkpoints of keras-gpt3 pretrain "
        "or keras.callbacks.BackupAndRestore there.$",
    ):
        function()


@JAX
@pytest.mark.parametrize("function", SAVE_OR_RESTORE)
def test_without_orbax_the_error_tells_what_to_install(monkeypatch, function):
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    match = r"by Orbax. Received: .*orbax.* pip install 'keras-gpt3\[jax\]'.$"
    with pytest.raises(ImportError, match=match):
        function()


@JAX
def test_checkpoints_of_others_are_none(tmp_path):
    import_orbax().save(tmp_path / "9", {"a": np.ones(2)})
    (tmp_path / ".step_000000011.tmp-1").mkdir()
    model = sharded_model(None)
    with pytest.raises(
        FileNotFoundError,
        match=re.escape(
            "directory must hold a checkpoint. Received: directory="
            f"'{tmp_path}', which holds none. Pass that of a ShardedCheckpoint "
            "that has saved; use model.load_weights for those of "
            "keras.callbacks.OrbaxCheckpoint."
        ),
    ):
        restore_sharded_checkpoint(model, tmp_path)


@JAX
@pytest.mark.parametrize("root", [pathlib.Path, epath.Path])
def test_arrays_come_back_in_a_folder_and_in_a_bucket(tmp_path, root):
    """Whose paths are of `etils.epath`; those are of files here."""
    variables = {
        "a/b": keras.Variable(np.arange(6.0).reshape(2, 3)),
        "c": keras.Variable(np.float32(5.0)),
    }
    checkpointer = Checkpointer(tmp_path, OrbaxFormat(), keep_last=2)
    checkpointer._folder = root(tmp_path)
    with checkpointer:
        for step in (1, 2, 3, 3):
            arrays = checkpointer._format.snapshot(variables)
            checkpointer.begin_save(step, arrays, {"step": step})
        checkpointer.wait()
        assert checkpointer.num_failed == 0
        assert checkpointer.steps() == [2, 3]
        expected = [np.array(v.value) for v in variables.values()]
        for variable in variables.values():
            variable.assign(np.zeros(variable.shape))
        folder, manifest = checkpointer.find()
        assert manifest.metadata == {"step": 3}
        OrbaxFormat().restore(folder, variables)
    for variable, value in zip(variables.values(), expected, strict=True):
        np.testing.assert_array_equal(variable.value, value)
    assert sorted(os.listdir(tmp_path)) == ["step_000000002", "step_000000003"]


@JAX
def test_arrays_of_a_loop_of_one_s_own_are_no_model_s(tmp_path):
    with RunCheckpoints(tmp_path) as checkpoints:
        checkpoints.save(3, {"a": np.ones(2)}, {})
    with pytest.raises(ValueError, match="A checkpoint must be one of this ru"):
        restore_sharded_checkpoint(sharded_model(None), tmp_path)
