"""Memory that a new model could take where it would be placed."""

import pathlib
import shutil
import subprocess


def available_memory():
    """Find the bytes available where a model would be placed.

    With a GPU that is the memory of one GPU; on the JAX backend, what JAX may
    use of one accelerator. Else it is the machine's available memory, lowered
    by the limit of the container if there is one.

    Returns:
        An int, bytes.

    Example:

    ```python
    from keras_gpt3.planning import available_memory
    from keras_gpt3.planning import format_bytes

    format_bytes(available_memory())  # "23.1 GB"
    ```
    """
    memory = device_memory()
    return _host_memory() if memory is None else memory


def device_memory():
    """The memory of one accelerator that the backend sees.

    An int, bytes; `None` where there is none, or it is not known.
    """
    of_device = {
        "tensorflow": gpu_memory,
        "jax": accelerator_memory,
        "torch": lambda: None,  # Its own allocator says what does not fit.
    }
    return of_device[_backend()]()


def _backend():
    import keras

    return keras.config.backend()


def _host_memory():
    import psutil

    available = psutil.virtual_memory().available
    limit = container_memory()
    return available if limit is None else min(available, limit)


def accelerator_memory():
    """Find the memory that JAX may use of one accelerator.

    Asking starts JAX: where there are several hosts, call
    `keras.distribution.initialize` before.
    """
    import jax

    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return None
    return (device.memory_stats() or {}).get("bytes_limit")


# Version 2 and version 1: folder of the controller, its limit, its usage, and
# the line of memory.stat that holds the file cache the kernel can drop.
_LAYOUTS = (
    ("", "memory.max", "memory.current", "inactive_file"),
    (
        "memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


def container_memory(mount="/sys/fs/cgroup", membership="/proc/self/cgroup"):
    """Find what the tightest control group of this process leaves free.

    A process inside a container sees the memory of the whole machine; the
    kernel kills it at the container's limit all the same.

    Args:
        mount: string. The folder where the control groups are mounted. Defaults
            to `"/sys/fs/cgroup"`.
        membership: string. The file that names this process's groups. Defaults
            to `"/proc/self/cgroup"`.

    Returns:
        An int, bytes, or `None` where no limit is set.

    Example:

    ```python
    from keras_gpt3.planning import container_memory

    container_memory()  # 8589934592 in a container limited to 8 GiB
    ```
    """
    free = [
        _free(folder, *files)
        for controller, *files in _LAYOUTS
        for folder in _folders(mount, membership, controller)
    ]
    return min((f for f in free if f is not None), default=None)


def _folders(mount, membership, controller):
    """The process's group, all groups above it, and the mount itself."""
    root = pathlib.Path(mount) / controller
    yield root
    for line in _read(pathlib.Path(membership)).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            group = pathlib.PurePosixPath(path.lstrip("/"))
            yield from (root / g for g in (group, *group.parents))


def _free(folder, limit_file, usage_file, cache_key):
    limit = _read(folder / limit_file).strip()
    if not limit.isdigit():  # "max", or no such file
        return None
    usage = int(_read(folder / usage_file) or 0)
    statistics = dict(
        line.split() for line in _read(folder / "memory.stat").splitlines()
    )
    cache = int(statistics.get(cache_key, 0))
    return max(0, int(limit) - max(0, usage - cache))


def _read(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def gpu_memory():
    """Find the memory of one GPU, as a replica of the model must fit into it.

    It is the memory the card has, not what is free at the moment:
    TensorFlow itself takes nearly all of it at once. Nothing is initialised,
    so that memory growth and logical devices can still be configured after.

    Returns:
        An int, bytes, or `None` where TensorFlow sees no GPU (hidden ones do
        not count) or its size cannot be read.

    Example:

    ```python
    from keras_gpt3.planning import gpu_memory

    gpu_memory()  # 85520809984 on an 80 GB card, None without a GPU
    ```
    """
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        return None
    sizes = (_configured_limit(gpus[0]), _card_size())
    return min((size for size in sizes if size is not None), default=None)


def _configured_limit(gpu):
    """Largest of the memory limits the user set on a GPU, or None."""
    import tensorflow as tf

    devices = tf.config.get_logical_device_configuration(gpu) or []
    limits = [d.memory_limit for d in devices if d.memory_limit is not None]
    return max(limits) * 1024**2 if limits else None


def _card_size():
    """Memory of the largest card that the driver lists, or None."""
    # TensorFlow reports a card's size only after it has taken its memory.
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    answer = subprocess.run(
        [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        check=False,
    )
    sizes = [int(s) for s in answer.stdout.split() if s.isdigit()]
    return max(sizes) * 1024**2 if sizes else None
