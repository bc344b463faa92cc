"""TensorFlow and the driver's tool are stand-ins: no GPU is needed."""

import sys
import types

import pytest

from keras_gpt3.planning import gpu_memory

MIB = 1024**2


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Sets up what TensorFlow sees and what `nvidia-smi` prints."""

    def set_up(gpus, limits=None, printed=None):
        devices = [types.SimpleNamespace(memory_limit=m) for m in limits or []]
        config = types.SimpleNamespace(
            get_visible_devices=lambda kind: {"GPU": gpus}[kind],
            get_logical_device_configuration=lambda gpu: devices or None,
        )
        tensorflow = types.SimpleNamespace(config=config)
        monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
        monkeypatch.setenv("PATH", str(tmp_path))
        if printed is not None:
            program = tmp_path / "nvidia-smi"
            program.write_text(f"#!/bin/sh\necho '{printed}'\n")
            program.chmod(0o755)

    return set_up


def test_without_a_gpu_there_is_none_even_if_the_driver_lists_one(machine):
    machine(gpus=[], printed="81559")
    assert gpu_memory() is None


def test_a_gpu_that_is_hidden_counts_as_absent(monkeypatch):
    tf = pytest.importorskip("tensorflow")
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind=None: ["GPU:0"]
    )
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: [])
    assert gpu_memory() is None


def test_it_is_the_memory_of_one_card_not_of_all(machine):
    machine(gpus=["GPU:0", "GPU:1"], printed="40960\n81559")
    assert gpu_memory() == 81559 * MIB


def test_a_limit_that_the_user_configured_counts(machine):
    machine(gpus=["GPU:0"], limits=[4096, 8192], printed="81559")
    assert gpu_memory() == 8192 * MIB


def test_logical_devices_without_a_limit_change_nothing(machine):
    machine(gpus=["GPU:0"], limits=[None], printed="81559")
    assert gpu_memory() == 81559 * MIB


@pytest.mark.parametrize("printed", [None, "driver mismatch"])
def test_a_size_that_cannot_be_read_is_none(machine, printed):
    machine(gpus=["GPU:0"], printed=printed)
    assert gpu_memory() is None
