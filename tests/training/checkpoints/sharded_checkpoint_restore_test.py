import re

import jax
import numpy as np
import pytest

from keras_gpt3.training import AdamW
from keras_gpt3.training import restore_sharded_checkpoint
from keras_gpt3.training.checkpoints import orbax_format as module
from keras_gpt3.training.checkpoints.model_checkpointer import model_variables
from tests.training.sharded_models import randomize
from tests.training.sharded_models import save
from tests.training.sharded_models import set_mesh
from tests.training.sharded_models import sharded_arrays
from tests.training.sharded_models import sharded_model
from tests.training.sharded_models import values

pytestmark = pytest.mark.backend("jax", reason="keras.distribution is JAX'")


@pytest.fixture(autouse=True)
def no_mesh_stays():
    yield
    set_mesh(None)


def saved_model(mesh, folder, seed=0):
    """A model of random values on a mesh, saved at step 3."""
    model = sharded_model(mesh)
    randomize(model, seed)
    model.optimizer.iterations.assign(3)
    save(model, folder)
    return model


def padding(model):
    """The rows of the token embedding and its moments that no id has."""
    rows = model.backbone.vocabulary_size
    return [
        np.array(variable.value)[rows:]
        for name, variable in model_variables(model).items()
        if "token_embedding" in name
    ]


# === Meshes ===


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((1, 2), (1, 2)),
        ((1, 2), (2, 2)),
        ((1, 2), None),  # From 128 rows of the token embedding to 61.
        (None, (4, 2)),  # The other way.
    ],
)
def test_another_mesh_gets_the_same_values_in_its_own_parts(
    tmp_path, before, now
):
    saved = saved_model(before, tmp_path)
    model = sharded_model(now, seed=1)
    model.compiled_step.prepare_optimizer(model)
    parts = [v.value.sharding for v in model.optimizer.variables]
    assert restore_sharded_checkpoint(model, tmp_path) == 3
    assert [v.value.sharding for v in model.optimizer.variables] == parts
    restored = values(model)
    for name, value in values(saved).items():
        np.testing.assert_array_equal(restored[name], value, err_msg=name)


def test_rows_of_padding_are_zero(tmp_path):
    saved_model(None, tmp_path)
    model = sharded_model((1, 2))
    randomize(model, seed=1)
    restore_sharded_checkpoint(model, tmp_path)
    rows = padding(model)
    assert [len(part) for part in rows] == [67, 67, 67]
    assert not np.any(rows)


def test_devices_read_their_own_parts_only(monkeypatch, tmp_path):
    saved_model((1, 2), tmp_path)
    model = sharded_model((1, 2))
    model.compiled_step.prepare_optimizer(model)
    put, device_put = set(), jax.device_put

    def watched(x, *args, **kwargs):
        put.add(np.shape(x))
        return device_put(x, *args, **kwargs)

    monkeypatch.setattr(jax, "device_put", watched)
    restore_sharded_checkpoint(model, tmp_path)
    arrays = [value for _, value in sharded_arrays(model)]
    assert {a.sharding.shard_shape(a.shape) for a in arrays} <= put
    assert not {a.shape for a in arrays} & put


def test_a_device_holds_few_values_twice(monkeypatch, tmp_path):
    saved = saved_model((1, 2), tmp_path)
    model = sharded_model((1, 2), seed=1)
    loads, restore_part = [], module._restore_part

    def counted(path, part):
        loads.append(len(part))
        restore_part(path, part)

    monkeypatch.setattr(module, "_restore_part", counted)
    monkeypatch.setattr(module, "_BYTES_AT_A_TIME", 4096)
    restore_sharded_checkpoint(model, tmp_path)
    # The half of the token embedding has 4096 bytes, and a load of its own.
    assert loads[0] == 1
    assert sum(loads) == len(model_variables(model))
    restored = values(model)
    for name, value in values(saved).items():
        np.testing.assert_array_equal(restored[name], value, err_msg=name)


# === Errors ===


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints")
    saved_model(None, path)
    return path


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"num_layers": 2},
            "/step_000000003', which .*backbone.num_layers=1 there, 2 here",
        ),
        ({"optimizer": "sgd"}, "optimizer='AdamW' there, 'SGD' here"),
    ],
)
def test_another_model_or_optimizer_raises(folder, changes, match):
    model = sharded_model(None, **changes)
    model.compiled_step.prepare_optimizer(model)
    before = values(model)
    with pytest.raises(ValueError, match=match):
        restore_sharded_checkpoint(model, folder)
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("has_checksums", [True, False])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
    monkeypatch, tmp_path, caplog, has_checksums
):
    """Also one of several processes, which has no checksum of its values."""
    monkeypatch.setattr(module.OrbaxFormat, "has_checksums", has_checksums)
    monkeypatch.setattr(module, "_BYTES_AT_A_TIME", 4096)
    model = saved_model(None, tmp_path)
    before = [np.asarray(weight) for weight in model.weights]
    model.optimizer.iterations.assign(4)
    save(model, tmp_path)
    for path in (tmp_path / "step_000000004").rglob("ocdbt.process_0/d/*"):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2].ljust(len(data), b"\0"))
    model = sharded_model(None)
    assert restore_sharded_checkpoint(model, tmp_path) == 3
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    how = "another sha256" if has_checksums else r"Exception in part \d+ of \d+"
    assert re.search(f"step_000000004 is damaged: .*{how}", caplog.text)


def test_an_incomplete_checkpoint_is_named_and_the_one_before_used(
    tmp_path, caplog
):
    model = saved_model(None, tmp_path)
    model.optimizer.iterations.assign(4)
    save(model, tmp_path)
    next((tmp_path / "step_000000004").rglob("ocdbt.process_0/d/*")).unlink()
    assert restore_sharded_checkpoint(model, tmp_path) == 3
    assert "Checkpoint step_000000004 is damaged: arrays/" in caplog.text


def test_an_optimizer_with_more_slots_raises(folder):
    model = sharded_model(None, AdamW(amsgrad=True))
    with pytest.raises(
        ValueError,
        match=r"must hold the model's variables. Received: (optimizer/\d+/.*)="
        r"none in '.*3', \1=array of shape \(61, 16\) in the model. Build",
    ):
        restore_sharded_checkpoint(model, folder)


def test_a_step_that_is_not_there_raises_with_those_that_are(folder):
    with pytest.raises(
        FileNotFoundError,
        match=r"Received: step=4, folder='.*' with the steps \[3\]. Pass",
    ):
        restore_sharded_checkpoint(sharded_model(None), folder, step=4)


def test_a_folder_without_checkpoint_raises_and_is_not_made(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=re.escape(
            "directory must hold a checkpoint. Received: directory="
            f"'{tmp_path}/none', which holds none. Pass"
        ),
    ):
        restore_sharded_checkpoint(sharded_model(None), tmp_path / "none")
    assert not (tmp_path / "none").exists()
