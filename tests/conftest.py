"""Set up before the first test: logical CPU devices, a quiet log."""

import collections
import os
import random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# No test may depend on what the machine has.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# Tests compile thousands of functions and run each once or twice: XLA makes
# the same programs, and LLVM takes a third of the time to translate them.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0"
    " --xla_cpu_parallel_codegen_split_count=1",
)

if os.environ.get("KERAS_BACKEND") == "jax":
    # JAX looks at it when it first uses a device.
    os.environ["XLA_FLAGS"] += (
        " --xla_force_host_platform_device_count=8"
        # A seventh of the time to compile.
        " --xla_cpu_use_fusion_emitters=false"
    )
    os.environ.setdefault("JAX_PLATFORMS", "cpu")

if os.environ.get("KERAS_BACKEND") == "torch":
    # Its threads wait for each other longer than they compute anything.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest


def pytest_configure(config):
    """Set up Keras where tests run: what hands them out needs none."""
    hands_out = getattr(config.option, "numprocesses", None)
    if hands_out and not hasattr(config, "workerinput"):
        return
    import keras

    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        # TensorFlow can be split only before it is first used. Two replicas of
        # four stages are the most that tests need.
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 8,
        )
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def fixed_seed():
    """Python's and numpy's seeds for each test; leaves no Keras state."""
    # Layers take their seeds from Python's generator. TensorFlow's own seed is
    # set once: setting it drops all kernels, those of compiled functions, too,
    # which would be made again in each test.
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    yield
    import keras

    keras.config.set_dtype_policy("float32")


@pytest.hookimpl(tryfirst=True)  # Before pytest looks for what is slow.
def pytest_collection_modifyitems(items):
    """Leave out tests of another backend, and cases of which some suffice."""
    import keras

    cases = collections.defaultdict(list)
    for item in items:
        for marker in item.iter_markers("backend"):
            if keras.config.backend() not in marker.args:
                names = " and ".join(marker.args)
                reason = f"{names} only: {marker.kwargs['reason']}"
                item.add_marker(pytest.mark.skip(reason=reason))
        for marker in item.iter_markers("quick_cases"):
            function = item.nodeid.partition("[")[0]
            cases[function, marker.args[0]].append(item)
    for (_, number), found in cases.items():
        quick = {round(i * len(found) / number) for i in range(number)}
        for place, item in enumerate(found):
            if place not in quick:
                item.add_marker(pytest.mark.slow)
