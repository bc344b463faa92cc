"""How a process of JAX finds the others, and its devices."""

import contextlib
import os

from keras_gpt3.argument_checks import echoed

# As `keras.distribution.initialize` reads them.
_PROCESS_VARIABLES = (
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "KERAS_DISTRIBUTION_PROCESS_ID",
)
# Seconds without a sign of life after which a process is given up.
_HEARTBEAT = 30


def keep_tensorflow_off_gpus():
    """It reads data here, and would take their memory."""
    import tensorflow as tf

    # Too late where it has been used already.
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")


def start_jax(cpu_devices):
    """Let JAX find its processes and devices, if it has not."""
    import jax

    addresses, number, place = _process_variables()
    if "device_count" not in os.environ.get("XLA_FLAGS", ""):
        with contextlib.suppress(RuntimeError):  # It has.
            here = max(1, cpu_devices // number)
            jax.config.update("jax_num_cpu_devices", here)
    if addresses is None or jax.distributed.is_initialized():
        return
    jax.distributed.initialize(
        addresses.split(",")[0],
        number,
        place,
        heartbeat_timeout_seconds=_HEARTBEAT,
        # Else one that an error ends would wait five minutes for the others.
        shutdown_timeout_seconds=_HEARTBEAT,
    )


def _process_variables():
    """The addresses, how many processes there are, and which this one is."""
    addresses, *texts = map(os.environ.get, _PROCESS_VARIABLES)
    if addresses is None:
        return None, 1, 0
    for name, text in zip(_PROCESS_VARIABLES[1:], texts, strict=True):
        if not (text or "").isdecimal():
            raise ValueError(
                f"{name} must be a number where {_PROCESS_VARIABLES[0]} is "
                f"set. Received: {name}={echoed(text)}. Set all three."
            )
    number, place = map(int, texts)
    if place >= number:
        raise ValueError(
            f"{_PROCESS_VARIABLES[2]} must be from 0 to one less than "
            f"{_PROCESS_VARIABLES[1]}. Received: {place} of {number} "
            "processes. Number them from 0."
        )
    return addresses, number, place
