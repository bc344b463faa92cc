"""What a GPU would say; no test has one."""

import types

import keras
import pytest
import tensorflow as tf
from harness import backend_device
from harness import process_memory

GPU = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
CPU = tf.config.PhysicalDevice("/physical_device:CPU:0", "CPU")


class JaxGpu:
    """An H100 as JAX names it, in what is asked of it."""

    platform = "gpu"
    device_kind = "NVIDIA H100 80GB HBM3"
    compute_capability = "9.0"
    client = types.SimpleNamespace(platform_version="PJRT C API\ncuda 12090")

    def memory_stats(self):
        return {"bytes_in_use": 5, "peak_bytes_in_use": 7, "bytes_limit": 80}

    def __str__(self):
        return "cuda:0"


@pytest.mark.backend("tensorflow", reason="JAX has devices of its own.")
def test_the_facts_of_tensorflow_s_gpu(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda: [CPU, GPU])
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda _: {"device_name": "NVIDIA A100", "compute_capability": (8, 0)},
    )
    facts = backend_device.gpu_facts()
    assert facts.pop("cuda").startswith("built with CUDA 12")
    assert facts == {
        "devices": ["CPU:0", "GPU:0"],
        "is_nvidia": True,
        "name": "NVIDIA A100",
        "compute_capability": "8.0",
    }


@pytest.mark.backend("tensorflow", reason="JAX has devices of its own.")
def test_the_peak_is_that_of_tensorflow_s_allocator(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda _: [GPU])
    monkeypatch.setattr(
        tf.config.experimental,
        "get_memory_info",
        {"GPU:0": {"current": 5, "peak": 7}}.get,
    )
    assert process_memory.device_peak_bytes() == 7


@pytest.mark.backend("jax", reason="TensorFlow has devices of its own.")
def test_the_facts_and_the_peak_of_jax_gpu(monkeypatch):
    import jax

    monkeypatch.setattr(jax, "local_devices", lambda: [JaxGpu()])
    assert backend_device.gpu_facts() == {
        "devices": ["cuda:0"],
        "is_nvidia": True,
        "name": "NVIDIA H100 80GB HBM3",
        "compute_capability": "9.0",
        "cuda": "PJRT C API\ncuda 12090",
    }
    assert process_memory.device_peak_bytes() == 7


def test_a_cpu_is_no_gpu_and_has_no_peak_of_its_own():
    assert not backend_device.gpu_facts()["is_nvidia"]
    assert process_memory.device_peak_bytes() is None
    x = keras.ops.ones(3)
    backend_device.keep_gpu_for_jax()
    backend_device.wait_for_device([x])
