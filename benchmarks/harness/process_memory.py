"""The memory that this process holds, and the most it has held.

Standard library only; of other libraries it asks those that are loaded.
"""

import pathlib
import resource
import sys

_STATUS = pathlib.Path("/proc/self/status")


def peak_bytes():
    """The most memory this process has held.

    On Linux not `ru_maxrss`: a new process starts there with the memory of
    the one that started it.

    Returns:
        An int, bytes of resident memory.
    """
    if _STATUS.exists():
        return _status("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def resident_bytes():
    """The memory this process holds now; Linux only.

    Returns:
        An int, bytes of resident memory.
    """
    return _status("VmRSS")


def device_peak_bytes():
    """The most memory of a GPU that this process has used.

    Of the first GPU, by the library that computes: Keras' backend, or PyTorch
    in a process without Keras. What it holds in reserve does not count.

    Returns:
        An int, bytes, or `None` where it uses no GPU.
    """
    if "keras" in sys.modules:
        backend = sys.modules["keras"].config.backend()
        return {"tensorflow": _tensorflow_bytes, "jax": _jax_bytes}[backend]()
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return torch.cuda.max_memory_allocated()


def _tensorflow_bytes():
    import tensorflow as tf

    if not tf.config.get_visible_devices("GPU"):
        return None
    # With growth, what TensorFlow uses, not what it has reserved.
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def _jax_bytes():
    import jax

    # `None` on a CPU.
    statistics = jax.local_devices()[0].memory_stats() or {}
    return statistics.get("peak_bytes_in_use")


def _status(name):
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status must have a line {name}. Use Linux.")
