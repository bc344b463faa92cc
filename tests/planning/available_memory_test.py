import sys
import types

import psutil
import pytest

from keras_gpt3.planning import available_memory
from keras_gpt3.planning import container_memory
from keras_gpt3.planning import gpu_memory
from keras_gpt3.planning.available_memory import accelerator_memory

# === Available memory ===


# The package's attribute of this name is the function.
MODULE = sys.modules["keras_gpt3.planning.available_memory"]


@pytest.fixture
def machine(monkeypatch):
    """Sets up the machine's memory and where the backend places models."""

    def set_up(
        host, container=None, gpu=None, accelerator=None, backend="tensorflow"
    ):
        memory = types.SimpleNamespace(available=host)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
        monkeypatch.setattr(MODULE, "container_memory", lambda: container)
        monkeypatch.setattr(MODULE, "gpu_memory", lambda: gpu)
        monkeypatch.setattr(MODULE, "accelerator_memory", lambda: accelerator)
        namespace = types.SimpleNamespace(backend=lambda: backend)
        keras = types.SimpleNamespace(config=namespace)
        monkeypatch.setitem(sys.modules, "keras", keras)

    return set_up


@pytest.mark.parametrize(
    ("container", "expected"), [(None, 100), (60, 60), (2**62, 100)]
)
def test_a_container_lowers_the_machine_s_memory(machine, container, expected):
    machine(host=100, container=container)
    assert available_memory() == expected


def test_a_gpu_that_tensorflow_uses_counts_instead_of_the_host(machine):
    machine(host=100, container=60, gpu=80)
    assert available_memory() == 80


@pytest.mark.parametrize(("accelerator", "expected"), [(None, 60), (70, 70)])
def test_an_accelerator_that_jax_uses_counts_instead_of_the_host(
    machine, accelerator, expected
):
    machine(100, container=60, gpu=80, accelerator=accelerator, backend="jax")
    assert available_memory() == expected


def test_this_machine_has_some_memory_but_no_more_than_it_has():
    assert 0 < MODULE._host_memory() <= psutil.virtual_memory().total


# === Accelerator memory ===


jax = pytest.importorskip("jax")


@pytest.mark.parametrize(
    ("platform", "stats", "expected"),
    [
        ("gpu", {"bytes_limit": 70, "bytes_in_use": 1}, 70),
        ("tpu", {"bytes_limit": 16}, 16),
        ("cpu", {"bytes_limit": 70}, None),
        ("gpu", None, None),
        ("gpu", {}, None),
    ],
)
def test_an_accelerator_tells_what_jax_may_use(
    monkeypatch, platform, stats, expected
):
    device = types.SimpleNamespace(
        platform=platform, memory_stats=lambda: stats
    )
    monkeypatch.setattr(jax, "local_devices", lambda: [device])
    assert accelerator_memory() == expected


# === Container memory ===


V1_UNLIMITED = 9223372036854771712


def write_group(folder, limit, usage, cache=0, version=2):
    folder.mkdir(parents=True, exist_ok=True)
    if version == 2:
        names = ("memory.max", "memory.current", "inactive_file")
    else:
        names = (
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        )
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {cache}\n")


@pytest.fixture
def find(tmp_path):
    """Runs `container_memory` in a process with the given membership."""

    def run(membership):
        file = tmp_path / "membership"
        file.write_text(membership)
        return container_memory(str(tmp_path / "mount"), str(file))

    return run


def test_free_memory_is_limit_less_usage_with_the_file_cache_free(
    tmp_path, find
):
    write_group(tmp_path / "mount", limit=1000, usage=700, cache=200)
    assert find("0::/\n") == 500


def test_version_one_is_read_below_its_controller(tmp_path, find):
    group = tmp_path / "mount" / "memory" / "docker" / "x"
    write_group(group, limit=1000, usage=700, cache=200, version=1)
    assert find("5:cpu,cpuacct:/\n4:memory:/docker/x\n0::/\n") == 500


def test_the_tightest_group_above_the_process_counts(tmp_path, find):
    mount = tmp_path / "mount"
    write_group(mount / "outer", limit=300, usage=100)
    write_group(mount / "outer" / "inner", limit=1000, usage=100)
    assert find("0::/outer/inner\n") == 200


def test_groups_of_other_processes_do_not_count(tmp_path, find):
    write_group(tmp_path / "mount" / "other", limit=300, usage=100)
    assert find("0::/mine\n") is None


def test_a_group_that_is_not_mounted_falls_back_to_the_mount(tmp_path, find):
    write_group(tmp_path / "mount", limit=1000, usage=400)
    assert find("0::/as/seen/from/the/host\n") == 600


def test_no_limit_is_none(tmp_path, find):
    write_group(tmp_path / "mount", limit="max", usage=400)
    assert find("0::/\n") is None


def test_the_unlimited_number_of_version_one_is_beyond_any_machine(
    tmp_path, find
):
    group = tmp_path / "mount" / "memory"
    write_group(group, limit=V1_UNLIMITED, usage=400, version=1)
    assert find("4:memory:/\n") > 2**60


def test_usage_beyond_the_limit_leaves_nothing(tmp_path, find):
    write_group(tmp_path / "mount", limit=1000, usage=1200)
    assert find("0::/\n") == 0


def test_a_machine_without_control_groups_has_no_limit(tmp_path):
    assert container_memory(str(tmp_path), str(tmp_path / "none")) is None


# === Gpu memory ===


# TensorFlow and the driver's tool are stand-ins: no GPU is needed.


MIB = 1024**2


@pytest.fixture
def machine_with_gpus(tmp_path, monkeypatch):
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


def test_without_a_gpu_there_is_none_even_if_the_driver_lists_one(
    machine_with_gpus,
):
    machine_with_gpus(gpus=[], printed="81559")
    assert gpu_memory() is None


def test_a_gpu_that_is_hidden_counts_as_absent(monkeypatch):
    tf = pytest.importorskip("tensorflow")
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind=None: ["GPU:0"]
    )
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: [])
    assert gpu_memory() is None


def test_it_is_the_memory_of_one_card_not_of_all(machine_with_gpus):
    machine_with_gpus(gpus=["GPU:0", "GPU:1"], printed="40960\n81559")
    assert gpu_memory() == 81559 * MIB


def test_a_limit_that_the_user_configured_counts(machine_with_gpus):
    machine_with_gpus(gpus=["GPU:0"], limits=[4096, 8192], printed="81559")
    assert gpu_memory() == 8192 * MIB


def test_logical_devices_without_a_limit_change_nothing(machine_with_gpus):
    machine_with_gpus(gpus=["GPU:0"], limits=[None], printed="81559")
    assert gpu_memory() == 81559 * MIB


@pytest.mark.parametrize("printed", [None, "driver mismatch"])
def test_a_size_that_cannot_be_read_is_none(machine_with_gpus, printed):
    machine_with_gpus(gpus=["GPU:0"], printed=printed)
    assert gpu_memory() is None
