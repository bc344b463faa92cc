"""Set up before the first test: two logical CPU devices, a quiet log."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# No test may depend on what the machine has.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import pytest

if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    # TensorFlow can be split only before it is first used.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )


@pytest.fixture(autouse=True)
def fixed_seed():
    """Every test starts from the same seed and leaves no Keras state."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
