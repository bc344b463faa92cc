"""Runs under JAX: any mesh gives the same run, and resumes another's."""

import json
import os
import re
import signal

import numpy as np
import pytest

import keras_gpt3
from keras_gpt3.training import DevicesSection
from keras_gpt3.training.run import pretrain as pretraining
from keras_gpt3.training.run.devices import run_devices
from keras_gpt3.training.run.jax_loop import JaxLoop
from keras_gpt3.training.run.pretraining_run import PretrainingRun
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import SMALL
from tests.training.small_run import saved_arrays
from tests.training.small_run import small_config
from tests.training.small_run import train

pytestmark = pytest.mark.backend("jax", reason="It is its loop.")

MESHES = {
    "one device": {"cpu_replicas": 1},
    "replicas": {"mesh": {"batch": 4}},
    "layers shared": {"mesh": {"batch": 1, "model": 2}},
    "both": {"mesh": {"batch": 2, "model": 2}},
    "weights spread": {"mesh": {"batch": 4}, "shard_weights": True},
    "slots spread": {
        "mesh": {"batch": 2, "model": 2},
        "shard_optimizer": True,
    },
}


def run(tmp_path, name, devices, dropout=0.0, **changes):
    """A run of 12 steps: whether it ended, its config."""
    config = small_config(tmp_path, name, devices=devices, **changes)
    return train(config, dropout=dropout), config


def losses(config):
    with open(f"{config.folder}/log.jsonl", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return [r["loss"] for r in records if r["kind"] == "train"]


def assert_same(config, other, tolerance):
    """The checkpoints of two runs' ends, rows of padding left out."""
    received, expected = saved_arrays(config), saved_arrays(other)
    assert received.keys() == expected.keys()
    for name, array in received.items():
        # Keys' biases have no gradient: Adam makes steps of its rounding.
        if tolerance and array.shape == (3 * SMALL["hidden_dim"],):
            continue
        array, wanted = np.atleast_1d(array), np.atleast_1d(expected[name])
        rows = min(len(array), len(wanted))
        difference = np.linalg.norm(array[:rows] - wanted[:rows])
        assert difference <= tolerance * np.linalg.norm(wanted), name


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run on one device."""
    return run(tmp_path_factory.mktemp("whole"), "run", {"cpu_replicas": 1})[1]


@pytest.mark.parametrize("name", [n for n in MESHES if n != "one device"])
@pytest.mark.quick_cases(2)
def test_every_mesh_makes_the_same_run(tmp_path, undisturbed, name):
    finished, config = run(tmp_path, "run", MESHES[name])
    assert finished
    np.testing.assert_allclose(losses(config), losses(undisturbed), rtol=1e-5)
    assert_same(config, undisturbed, 1e-5)


def stop_before(monkeypatch, step):
    """Makes a run get SIGTERM before some step."""
    real = PretrainingRun._step

    def interrupted(self):
        if self._state.step + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)
        real(self)

    monkeypatch.setattr(PretrainingRun, "_step", interrupted)


@pytest.mark.parametrize("name", ["both", "one device", "weights spread"])
@pytest.mark.quick_cases(1)
def test_a_stopped_run_ends_bit_for_bit_on_its_mesh(
    tmp_path, monkeypatch, name
):
    _, whole = run(tmp_path, "whole", MESHES[name], dropout=0.1)
    for step in (3, 8):
        with monkeypatch.context() as patch:
            stop_before(patch, step)
            finished, _ = run(tmp_path, "cut", MESHES[name], dropout=0.1)
        assert not finished
    finished, config = run(tmp_path, "cut", MESHES[name], dropout=0.1)
    assert finished
    assert losses(config) == losses(whole)
    assert_same(config, whole, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one device", "replicas", "weights spread"])
def test_a_run_resumes_on_another_mesh(
    tmp_path, monkeypatch, undisturbed, name
):
    with monkeypatch.context() as patch:
        stop_before(patch, 6)
        assert not run(tmp_path, "run", MESHES["both"])[0]
    finished, config = run(tmp_path, "run", MESHES[name])
    assert finished
    np.testing.assert_allclose(losses(config), losses(undisturbed), rtol=1e-5)
    assert_same(config, undisturbed, 1e-5)


@pytest.mark.parametrize("name", ["one device", "both"])
def test_the_batch_grows_in_one_trace(tmp_path, monkeypatch, name):
    loops = []
    real = JaxLoop.__init__
    monkeypatch.setattr(
        JaxLoop,
        "__init__",
        lambda self, *args: (loops.append(self), real(self, *args))[1],
    )
    recipe = {
        "total_tokens": 40 * LENGTH,
        "batch_tokens": 8 * LENGTH,
        "start_batch_tokens": 2 * LENGTH,
        "ramp_tokens": 20 * LENGTH,
        "batch_multiple": 2,
    }
    finished, config = run(tmp_path, "run", MESHES[name], recipe=recipe)
    assert finished
    assert loops[0].num_traces == 1
    with open(f"{config.folder}/log.jsonl", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    sizes = [r["batch_tokens"] for r in records if r["kind"] == "train"]
    assert sizes == [r["recipe_batch_tokens"] for r in records if "batch" in r]
    assert sorted(set(sizes))[0] == 2 * LENGTH
    assert len(set(sizes)) > 2


@pytest.mark.parametrize(
    "devices, message",
    [
        (
            {"mesh": {"batch": 2, "stages": 2}},
            "devices.mesh must have the axes batch and model on jax. Received: "
            "stages=2. Set KERAS_BACKEND=tensorflow, or use a model axis.",
        ),
        (
            {"replicas": 2},
            "devices.replicas must be left out under JAX. Received: "
            "devices.replicas=2. Use devices.mesh: {batch: 2, model: 1}.",
        ),
        (
            {"mesh": {"batch": 16}},
            "devices.mesh must have the devices that there are. Received: "
            "batch=16, model=1, devices=8 of 1 processes. Use a mesh of 8 "
            "devices.",
        ),
    ],
)
def test_devices_that_there_are_not_raise(tmp_path, devices, message):
    config = small_config(tmp_path, devices={"cpu_replicas": None} | devices)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        train(config)
    assert not os.path.exists(config.folder)


def test_a_batch_axis_that_is_left_out_takes_all_devices():
    found = run_devices(DevicesSection(mesh={"model": 2}))
    assert found.num_parts == 4 and found.own_parts == [0, 1, 2, 3]


def test_a_step_that_is_not_compiled_is_refused(tmp_path):
    config = small_config(tmp_path, model={"jit_compile": False})
    with pytest.raises(ValueError, match="^model.jit_compile must not be fal"):
        train(config)


def test_a_mesh_that_heads_do_not_allow_raises_before_data_is_read(tmp_path):
    config = small_config(tmp_path, devices={"mesh": {"batch": 1, "model": 8}})
    with pytest.raises(ValueError, match="model axis of the mesh must divide"):
        train(config)


@pytest.mark.slow
def test_auto_is_the_mesh_that_the_planner_proposes(
    tmp_path, monkeypatch, undisturbed
):
    """Of a small model: replicas, on all devices that the batch allows."""
    asked = []
    real = pretraining.proposed_devices

    def proposed(config, devices, **options):
        asked.append((config["hidden_dim"], devices, options))
        return real(config, devices, **options)

    monkeypatch.setattr(pretraining, "proposed_devices", proposed)
    monkeypatch.setattr(
        pretraining, "describe", lambda name: keras_gpt3.describe(SMALL)
    )
    devices = {"mesh": "auto", "cpu_replicas": 4}
    finished, config = run(tmp_path, "run", devices)
    assert finished
    (width, number, options), *_ = asked
    assert (width, number) == (SMALL["hidden_dim"], 4)
    assert options["batch_tokens"] == 4 * LENGTH
    assert_same(config, undisturbed, 1e-5)


def test_auto_chooses_what_is_shared(tmp_path):
    devices = {"mesh": "auto", "cpu_replicas": 2, "shard_weights": True}
    message = "devices.shard_weights must be left out with devices.mesh: auto"
    with pytest.raises(ValueError, match=f"^{message}"):
        train(small_config(tmp_path, devices=devices))
