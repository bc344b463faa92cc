"""GPU memory in which TensorFlow would place a model (needs TensorFlow)."""

import shutil
import subprocess


def gpu_memory():
    """Finds the memory of one GPU, as a replica of the model must fit into it.

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
    # TensorFlow tells a card's size only after it has taken its memory.
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
