import dataclasses
import errno
import hashlib
import importlib
import logging
import os
import pathlib
import re
import sys
import threading
import types

import keras
import numpy as np
import pytest

from keras_gpt3.data import TokenShards
from keras_gpt3.planning import preflight
from keras_gpt3.training import AdamW
from keras_gpt3.training import DevicesSection
from keras_gpt3.training.checkpoints.model_checkpointer import ModelCheckpointer
from keras_gpt3.training.checkpoints.orbax_format import OrbaxFormat
from keras_gpt3.training.checkpoints.tensorflow_format import TensorFlowFormat
from keras_gpt3.training.run import devices
from keras_gpt3.training.run import pretrain as pretraining
from keras_gpt3.training.run.data import RunData
from keras_gpt3.training.run.folder import RunFolder
from tests.planning.check_step_fits_test import no_process_memory
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import SMALL
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.training.run.pretraining_run_test import assert_bitwise_equal
from tests.training.run.pretraining_run_test import records_of
from tests.training.run.pretraining_run_test import small_recipe
from tests.training.run.pretraining_run_test import stop_before
from tests.training.small_run import NUM_STEPS
from tests.training.small_run import saved_arrays
from tests.training.small_run import small_config
from tests.training.small_run import train

# === Pretrain ===

FORMAT = {"tensorflow": TensorFlowFormat, "jax": OrbaxFormat}[
    keras.config.backend()
]
of_tensorflow = pytest.mark.backend(
    "tensorflow", reason="JAX has neither Orbit, nor stages, nor TF_CONFIG"
)


def test_a_folder_of_another_run_is_refused_and_stays(tmp_path, monkeypatch):
    config = small_config(tmp_path)
    with monkeypatch.context() as patch:
        stop_before(patch, 2)
        assert not train(config)
    saved = pathlib.Path(config.folder, "config.yaml").read_bytes()
    other = small_config(
        tmp_path, seed=1, recipe=small_recipe(learning_rate=1e-3)
    )
    message = (
        f"A run folder must hold one run. Received: folder='{config.folder}', "
        "whose config has other values: recipe.learning_rate=0.005 there, "
        "0.001 here; seed=0 there, 1 here. Use another folder, or the values "
        "of the run."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        train(other)
    assert pathlib.Path(config.folder, "config.yaml").read_bytes() == saved
    # How often is saved, and the devices, may change.
    assert train(small_config(tmp_path, checkpoints={"every_steps": 5}))


@pytest.mark.slow
def test_a_run_masks_its_documents_from_start_to_end(tmp_path, monkeypatch):
    config = small_config(tmp_path)
    with monkeypatch.context() as patch:
        stop_before(patch, 2)
        assert not train(config)
    masked = {"attend_across_documents": False}
    # Else the folder refuses it before a checkpoint is read.
    pathlib.Path(config.folder, "config.yaml").unlink()
    with pytest.raises(
        ValueError,
        match=r"^A checkpoint must be one of this run\. Received: .*, which "
        "has other values: attend_across_documents=True there, False here",
    ):
        train(small_config(tmp_path, data=masked))
    assert train(small_config(tmp_path, "masked", data=masked))


@pytest.mark.slow
def test_a_config_of_pythons_own_types_resumes(tmp_path, monkeypatch):
    small = small_config(tmp_path)
    config = dataclasses.replace(
        small,
        seed=np.int64(small.seed),
        model=dataclasses.replace(
            small.model,
            # As the documentation of the backbone writes it.
            overrides={"attention_pattern": ("dense", "banded")},
        ),
        data=dataclasses.replace(
            small.data,
            shards={k: pathlib.Path(v) for k, v in small.data.shards.items()},
        ),
    )
    with monkeypatch.context() as patch:
        stop_before(patch, 2)
        assert not train(config)
    assert train(config)


def test_a_vocabulary_larger_than_the_models_raises(tmp_path):
    message = (
        "The shards' vocabulary must be at most the model's. Received: 61 ids "
        "in the shards, vocabulary_size=60. Write the shards with the model's "
        "tokenizer."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        train(small_config(tmp_path), vocabulary_size=60)
    assert not pathlib.Path(tmp_path, "run").exists()


@pytest.mark.backend(
    "tensorflow", reason="of CPUs the planner knows its steps alone"
)
def test_a_batch_that_cannot_fit_is_refused_in_the_configs_words(
    tmp_path, monkeypatch
):
    # Less by far than this process holds, which counts as available.
    monkeypatch.setattr(preflight, "available_memory", lambda: 150 * 10**6)
    monkeypatch.setattr(preflight, "psutil", no_process_memory)
    config = small_config(
        tmp_path,
        model={"micro_batch_size": None},
        recipe=small_recipe(batch_tokens=2**13 * LENGTH, total_tokens=1e6),
    )
    with pytest.raises(MemoryError) as raised:
        train(config)
    assert re.search(
        r"^A training step of small must fit .* for 8192 rows .* Set in the "
        r"config's section model: micro_batch_size=\d+, ",
        str(raised.value),
    )
    assert not pathlib.Path(config.folder).exists()


def test_on_a_gpu_a_run_asks_for_the_same_estimate_as_fit(
    tmp_path, monkeypatch
):
    asked = []

    def ask(config, name, **options):
        asked.append(options)
        raise MemoryError

    monkeypatch.setattr(preflight, "check_training_fits", ask)
    monkeypatch.setattr(preflight, "has_gpu", lambda: True)
    for name in ("device_memory", "available_memory"):
        monkeypatch.setattr(preflight, name, lambda: 80)
    with pytest.raises(MemoryError):
        train(small_config(tmp_path, model={"jit_compile": True}))
    model = small_model()
    model.compile(AdamW(), micro_batch_size=1, jit_compile=True)
    with pytest.raises(MemoryError):
        model.fit(*small_batch(rows=4), verbose=0)
    of_run, of_fit = asked
    assert of_run == of_fit
    assert of_run["accelerator"] == keras.config.backend()


@of_tensorflow
@pytest.mark.parametrize(
    "section, message",
    [
        (
            {"mesh": {"batch": 1, "model": 2}},
            "devices.mesh must have the axes batch and stages on tensorflow. "
            "Received: model=2. Set KERAS_BACKEND=jax, or use stages.",
        ),
        (
            {"shard_weights": True},
            "devices.shard_weights must be false on TensorFlow, whose replicas "
            "are whole. Received: devices.shard_weights=true. Set "
            "KERAS_BACKEND=jax, or use devices.mesh with stages.",
        ),
        (
            {"mesh": {"batch": 2}, "replicas": 1},
            "devices.replicas must be left out beside the sizes of "
            "devices.mesh. Received: devices.replicas=1, batch=2. Use one of "
            "them.",
        ),
    ],
)
def test_what_tensorflow_has_not_is_refused(tmp_path, section, message):
    config = small_config(tmp_path, devices=section)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        train(config)
    assert not os.path.exists(config.folder)


@pytest.mark.parametrize("saved", [None, 1])
def test_a_mesh_is_proposed_that_all_batches_allow(tmp_path, saved):
    """On four devices, with a first batch of two rows, or a run's multiple."""
    config = small_config(
        tmp_path,
        model={"preset": "gpt3_small_en", "micro_batch_size": None},
        recipe=small_recipe(
            batch_tokens=8 * LENGTH,
            start_batch_tokens=2 * LENGTH,
            batch_multiple=None,
        ),
        devices={"mesh": "auto"},
    )
    folder = RunFolder(config.folder)
    if saved is not None:
        recipe = dataclasses.replace(config.recipe, batch_multiple=saved)
        folder.write(dataclasses.replace(config, recipe=recipe))
    mesh = pretraining._proposed_mesh(config, folder, 4)["mesh"]
    assert np.prod(list(mesh.values())) == 4
    assert (saved or 2) % mesh["batch"] == 0


@of_tensorflow
@pytest.mark.parametrize(
    "mesh, expected",
    [
        ({}, None),
        ({"batch": 4}, 2),
        ({"batch": 3}, "2 workers"),
        ({"batch": 2, "stages": 2}, "2 workers"),
    ],
)
def test_a_mesh_of_workers_has_all_their_replicas(monkeypatch, mesh, expected):
    strategy = types.SimpleNamespace(num_replicas_in_sync=4)
    asked = []
    monkeypatch.setattr(devices, "num_workers", lambda: 2)
    monkeypatch.setattr(
        devices,
        "pretraining_strategy",
        lambda *args: asked.append(args) or strategy,
    )
    section = DevicesSection(mesh=mesh or None)
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            devices.run_devices(section)
    else:
        devices.run_devices(section)
        assert asked == [(expected, expected, 1)]


@of_tensorflow
def test_a_run_in_stages_is_that_of_one_device(tmp_path):
    runs = [
        small_config(tmp_path, "one"),
        small_config(
            tmp_path, "stages", devices={"mesh": {"batch": 1, "stages": 2}}
        ),
    ]
    for config in runs:
        assert train(config)
    one, stages = (saved_arrays(config) for config in runs)
    for name, array in one.items():
        # Float32 sums in another order; keys' biases have no gradient.
        if array.shape != (3 * SMALL["hidden_dim"],):
            difference = np.linalg.norm(array - stages[name])
            assert difference <= 1e-5 * np.linalg.norm(array), name


@of_tensorflow
def test_a_missing_orbit_is_one_sentence(tmp_path, monkeypatch):
    config = small_config(tmp_path)
    monkeypatch.setitem(sys.modules, "orbit", None)
    message = (
        "Pretraining runs must have Orbit. Received: import of orbit halted; "
        "None in sys.modules. Install it with pip install "
        "'keras-gpt3[pretrain]'."
    )
    with pytest.raises(ImportError, match=f"^{re.escape(message)}$"):
        train(config)


def fill_disk(monkeypatch, step=""):
    """Makes the arrays of one checkpoint, or of all, not fit on the disk."""
    real = FORMAT.begin_write

    def complete():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def begin_write(self, folder, arrays):
        is_full = step in str(folder)
        return complete if is_full else real(self, folder, arrays)

    monkeypatch.setattr(FORMAT, "begin_write", begin_write)


def test_a_full_disk_costs_a_checkpoint_and_not_the_run(
    tmp_path, monkeypatch, caplog
):
    config = small_config(tmp_path)
    fill_disk(monkeypatch, "step_000000008")
    with caplog.at_level(logging.ERROR, "keras_gpt3"):
        assert train(config)
    assert "The checkpoint of step 8 could not be written" in caplog.text
    folders = sorted(os.listdir(f"{config.folder}/checkpoints"))
    assert [f for f in folders if f.startswith("step")] == [
        "step_000000004",
        "step_000000006",
        "step_000000012",
    ]


def test_a_disk_that_is_full_from_the_start_costs_no_training(
    tmp_path, monkeypatch
):
    fill_disk(monkeypatch)
    config = small_config(tmp_path)
    message = "^The last checkpoint must be written. Received: step=0, where "
    with pytest.raises(RuntimeError, match=message):
        train(config)
    assert records_of(config) == []


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
    tmp_path, monkeypatch, caplog
):
    whole, config = (small_config(tmp_path, name) for name in ("whole", "run"))
    train(whole)
    with monkeypatch.context() as patch:
        stop_before(patch, 10)
        train(config)
    folder = pathlib.Path(config.folder, "checkpoints", "step_000000010")
    files = [path for path in folder.rglob("*") if path.is_file()]
    data = max(files, key=lambda path: path.stat().st_size)
    damaged = bytearray(data.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    data.write_bytes(damaged)
    with caplog.at_level(logging.INFO, "keras_gpt3"):
        assert train(config)
    assert "Checkpoint step_000000010 is damaged: " in caplog.text
    assert "Resumed at step 8." in caplog.text
    assert_bitwise_equal(config, whole)
    assert len(records_of(config)) == NUM_STEPS


@pytest.mark.slow
def test_a_shard_that_breaks_in_mid_run_loses_nothing(tmp_path, monkeypatch):
    whole, config = (small_config(tmp_path, name) for name in ("whole", "run"))
    train(whole)
    (shard,) = pathlib.Path(config.data.shards["news"]).glob("*.uint16")
    contents = shard.read_bytes()
    with monkeypatch.context() as patch:
        real = ModelCheckpointer.save

        def save(self, step, *args):
            if step == 4:
                shard.write_bytes(contents[:100])
            real(self, step, *args)

        patch.setattr(ModelCheckpointer, "save", save)
        message = f"^A shard must hold .* Received: .*{re.escape(str(shard))}"
        with pytest.raises(RuntimeError, match=message) as error:
            train(config)
        assert "\n" not in str(error.value)
    shard.write_bytes(contents)
    assert train(config)
    assert_bitwise_equal(config, whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "token_id", "field"),
    [(0, 1, "sha256"), (7, 2**16 - 1, "vocabulary_size")],
)
def test_a_shard_that_is_not_what_its_manifest_says_ends_the_run(
    tmp_path, place, token_id, field
):
    config = small_config(tmp_path)
    (shard,) = pathlib.Path(config.data.validation["held"]).glob("*.uint16")
    contents = shard.read_bytes()
    damaged = np.frombuffer(contents, "<u2").copy()
    damaged[place] = token_id if damaged[place] != token_id else token_id + 1
    shard.write_bytes(damaged.tobytes())
    checksum = hashlib.sha256(damaged).hexdigest()
    manifest = shard.with_name("manifest.json")
    stated = manifest.read_text()
    if field != "sha256":  # As written so, with an id that no model knows.
        old = hashlib.sha256(contents).hexdigest()
        manifest.write_text(stated.replace(old, checksum))
    message = f"^A shard must agree .*{re.escape(str(shard))}.*{field}"
    with pytest.raises(RuntimeError, match=message):
        train(config)
    assert not RunFolder(config.folder).preset.exists()
    shard.write_bytes(contents)
    manifest.write_text(stated)
    assert train(config)


@pytest.mark.slow
def test_shards_are_checked_once(tmp_path, monkeypatch):
    config = small_config(tmp_path)
    reads = []
    real = TokenShards.verify
    monkeypatch.setattr(
        TokenShards, "verify", lambda self: reads.append(real(self))
    )
    with monkeypatch.context() as patch:
        stop_before(patch, NUM_STEPS - 1)
        assert not train(config)
    assert train(config)
    assert len(reads) == 3


def test_a_run_in_a_folder_that_another_one_writes_to_is_refused(tmp_path):
    config = small_config(tmp_path)
    errors = []

    def second():
        try:
            train(config)
        except BlockingIOError as error:
            errors.append(str(error))

    with RunFolder(config.folder).lock():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert errors[0].startswith("Only one process may write to a folder at")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "other, what, remedy",
    [
        (0, "the config", "file and the same --set"),
        (1, "the shards", "copy of the shards"),
    ],
)
def test_workers_with_another_config_or_other_shards_end(
    tmp_path, monkeypatch, other, what, remedy
):
    module = importlib.import_module("keras_gpt3.training.run.pretrain")
    asked = []

    def from_first_worker(_, number):
        asked.append(number)
        return number + (len(asked) == other + 1)

    monkeypatch.setattr(module, "from_first_worker", from_first_worker)
    message = (
        f"All workers must have {what} of one run. Received: {what} of this "
        f"worker, other than the first's. Start all with the same {remedy}."
    )
    config = small_config(tmp_path)
    data = RunData(config, LENGTH, types.SimpleNamespace(num_parts=1))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        module._check_workers(config, data, None)
