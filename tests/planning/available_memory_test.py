import sys
import types

import psutil
import pytest

from keras_gpt3.planning import available_memory

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
