"""Tests that a run resumed from parts is the run that was never stopped."""

import contextlib
import os
import resource
import shutil
import types

import numpy as np
import pytest

from keras_gpt3.training import ShardedCheckpoint
from keras_gpt3.training import restore_sharded_checkpoint
from keras_gpt3.training.checkpoints.checkpointer import Checkpointer
from keras_gpt3.training.checkpoints.orbax_format import OrbaxFormat
from keras_gpt3.training.checkpoints.orbax_format import import_orbax
from tests.training.sharded_models import randomize
from tests.training.sharded_models import save
from tests.training.sharded_models import set_mesh
from tests.training.sharded_models import sharded_arrays
from tests.training.sharded_models import sharded_model
from tests.training.sharded_models import train
from tests.training.sharded_models import values
from tests.training.small_run import write_shards

pytestmark = pytest.mark.backend("jax", reason="keras.distribution is JAX'")
MESH = (1, 2)


@pytest.fixture(autouse=True)
def no_mesh_stays():
    yield
    set_mesh(None)


def checkpoint_steps(folder):
    return Checkpointer(folder, OrbaxFormat()).steps()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of six steps, never interrupted, with all its checkpoints."""
    folder = tmp_path_factory.mktemp("run")
    shards = write_shards(folder / "shards", 2000, seed=0)
    model = sharded_model(MESH)
    callback = ShardedCheckpoint(folder / "run", save_freq=2, max_to_keep=None)
    train(model, shards, 0, 6, callback)
    assert checkpoint_steps(folder / "run") == [2, 4, 6]
    return types.SimpleNamespace(
        folder=folder / "run", shards=shards, end=values(model)
    )


# === A resumed run ===


def test_a_resumed_run_equals_the_uninterrupted_one_bit_by_bit(run, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "run")
    shutil.rmtree(folder / "step_000000006")
    # Amid an epoch, with other weights, other seeds and no slots yet.
    model = sharded_model(MESH, seed=1)
    step = restore_sharded_checkpoint(model, folder)
    callback = ShardedCheckpoint(folder, save_freq=3, max_to_keep=2)
    train(model, run.shards, step, 6, callback)
    assert step == 4
    assert checkpoint_steps(folder) == [4, 6]
    end = values(model)
    assert end.keys() == run.end.keys()
    for name, value in run.end.items():
        np.testing.assert_array_equal(end[name], value, err_msg=name)


def test_a_run_resumed_on_one_device_goes_on_alike(run):
    # There the token embedding has 61 rows, on two devices 128.
    model = sharded_model(None, seed=1)
    train(
        model, run.shards, restore_sharded_checkpoint(model, run.folder, 4), 6
    )
    end = values(model)
    for name, value in run.end.items():
        # Sums in another order, in float32.
        distance = np.linalg.norm(end[name] - value.astype("float64"))
        assert distance <= 1e-6 * np.linalg.norm(value), name


# === A save ===


def test_saving_gathers_no_array_that_is_sharded(tmp_path):
    model = sharded_model(MESH)
    randomize(model, seed=0)
    save(model, tmp_path)
    path = tmp_path / "step_000000000" / "arrays"
    shapes = {
        name: array.storage_metadata.chunk_shape
        for name, array in import_orbax().metadata(path).metadata.items()
    }
    sharded = sharded_arrays(model)
    # Seven weights with two moments each.
    assert len(sharded) == 21
    for name, value in sharded:
        # JAX keeps what it brought together on the host.
        assert value._npy_value is None, name
        assert shapes[name] == value.sharding.shard_shape(value.shape), name
        np.asarray(value)
        assert value._npy_value is not None, "gathering would be seen"


@pytest.mark.parametrize(
    ("resumed", "frequency", "expected"),
    [(0, 2, [2, 4, 6]), (7, 5, [10, 15]), (5, 5, [10]), (0, "epoch", [])],
)
def test_saves_come_at_multiples_of_the_frequency(
    monkeypatch, tmp_path, resumed, frequency, expected
):
    saved = []
    callback = ShardedCheckpoint(tmp_path, save_freq=frequency)
    monkeypatch.setattr(callback, "_save", lambda: saved.append(steps))
    model = types.SimpleNamespace(
        compiled_step=types.SimpleNamespace(steps_done=lambda model: resumed)
    )
    callback.set_model(model)
    callback.on_epoch_begin(0)
    for batch in range(9 if resumed else 7):
        steps = resumed + batch + 1
        callback.on_train_batch_end(batch)
    assert saved == expected


def test_a_step_is_saved_once(tmp_path):
    model = sharded_model(None)
    save(model, tmp_path)
    save(model, tmp_path)
    assert checkpoint_steps(tmp_path) == [0]


def test_what_an_interrupted_save_left_is_no_checkpoint(tmp_path):
    model = sharded_model(None)
    save(model, tmp_path)
    # A folder gets its name when it is whole.
    left = tmp_path / f".step_000000007.tmp-{os.getpid()}"
    shutil.copytree(tmp_path / "step_000000000", left)
    assert restore_sharded_checkpoint(model, tmp_path) == 0
    model.optimizer.iterations.assign(7)
    save(model, tmp_path)
    assert restore_sharded_checkpoint(model, tmp_path) == 7
    assert not left.exists()


@contextlib.contextmanager
def no_file_larger_than(num_bytes):
    """Writes fail behind so many bytes, as on a disk that is full."""
    _, most = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_last_save_that_failed_is_logged_and_raised(run, tmp_path, caplog):
    model = sharded_model(None)
    callback = ShardedCheckpoint(tmp_path)
    with no_file_larger_than(16384):
        with pytest.raises(
            RuntimeError, match="^The last checkpoint must be written. Received"
        ):
            train(model, run.shards, 0, 2, callback)
    assert "File too large" in caplog.text
    assert checkpoint_steps(tmp_path) == []
    train(model, run.shards, 2, 4, callback)
    assert checkpoint_steps(tmp_path) == [4]


def test_a_batch_that_overflows_is_a_step_too(run, tmp_path):
    def half_model(seed):
        return sharded_model(None, seed=seed, dtype="mixed_float16")

    model = half_model(0)
    model.compiled_step.prepare_optimizer(model)
    # The loss itself overflows: the first steps are skipped.
    model.optimizer.dynamic_scale.assign(2.0**120)
    callback = ShardedCheckpoint(tmp_path, save_freq=2, max_to_keep=None)
    train(model, run.shards, 0, 3, callback)
    train(model, run.shards, 3, 4, callback)
    assert model.optimizer.iterations == 0
    assert checkpoint_steps(tmp_path) == [2, 4]
    resumed = half_model(1)
    assert restore_sharded_checkpoint(resumed, tmp_path) == 4
    train(resumed, run.shards, 4, 6, callback)
    assert checkpoint_steps(tmp_path) == [2, 4, 6]


# === Errors ===


def test_a_folder_of_another_model_is_refused(tmp_path):
    save(sharded_model(None), tmp_path)
    with pytest.raises(
        ValueError,
        match=r"A checkpoint must be one of this run. Received: folder='.*0', "
        "which has other values: backbone.num_layers=1 there, 2 here. Use the",
    ):
        save(sharded_model(None, num_layers=2), tmp_path)


def test_a_model_that_was_not_restored_is_refused(tmp_path):
    model = sharded_model(None)
    model.optimizer.iterations.assign(5)
    save(model, tmp_path)
    with pytest.raises(
        ValueError,
        match=r"no checkpoint of a later step than the model's. Received: "
        r"directory='.*', steps=\[5\], model at step=0. Restore the last one "
        r"first, delete the later ones, or use another directory.$",
    ):
        save(sharded_model(None), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"save_freq": 0}, "save_freq must be .* Received: save_freq=0"),
        ({"max_to_keep": 0}, "max_to_keep must be .* Received: max_to_keep=0"),
    ],
)
def test_numbers_below_one_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        ShardedCheckpoint("run", **arguments)
