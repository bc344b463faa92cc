import os
import re
import sys

import numpy as np
import pytest

from keras_gpt3.training import ShardedCheckpoint
from keras_gpt3.training import restore_sharded_checkpoint
from keras_gpt3.training.checkpoints.sharded_files import checkpoint_path
from keras_gpt3.training.checkpoints.sharded_files import checkpoint_root
from keras_gpt3.training.checkpoints.sharded_files import checkpoint_steps
from keras_gpt3.training.checkpoints.sharded_files import import_orbax
from keras_gpt3.training.checkpoints.sharded_files import read_metadata

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


@pytest.mark.parametrize("address", ["gs://bucket/run", "/tmp/run"])
def test_addresses_and_absolute_paths_stay_as_they_are(address):
    assert checkpoint_root(address) == address


def test_paths_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert checkpoint_root("run") == os.path.join(os.getcwd(), "run")


@JAX
def test_the_last_step_is_the_greatest_number(tmp_path):
    for step in (9, 10):
        import_orbax().save(tmp_path / str(step), {"a": np.ones(2)})
    (tmp_path / "11.orbax-checkpoint-tmp").mkdir()
    (tmp_path / "notes").mkdir()
    assert checkpoint_steps(tmp_path) == [9, 10]
    assert checkpoint_path(tmp_path) == (10, str(tmp_path / "10"))
    assert checkpoint_path(tmp_path, 9) == (9, str(tmp_path / "9"))


@JAX
def test_a_missing_folder_has_no_steps(tmp_path):
    assert checkpoint_steps(tmp_path / "none") == []


@JAX
def test_a_checkpoint_of_another_writer_raises(tmp_path):
    import_orbax().save(tmp_path / "0", {"weights": {"kernel": np.ones(2)}})
    with pytest.raises(
        ValueError,
        match=re.escape(
            "A checkpoint must be one that ShardedCheckpoint wrote. Received: "
            f"path='{tmp_path}/0', without the config of a backbone. Use"
        ),
    ):
        read_metadata(str(tmp_path / "0"))
