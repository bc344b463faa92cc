"""Set up before the first test: two logical CPU devices, a quiet log."""

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

import keras
import numpy as np
import pytest

if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    # TensorFlow can be split only before it is first used.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
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
    keras.config.set_dtype_policy("float32")
