"""The strategy of a pretraining run: one device, one machine, or several."""

import json
import os

from keras_gpt3.echoed_value import echoed
from keras_gpt3.parallel.replicas import mirrored_strategy


def pretraining_strategy(replicas=None, cpu_replicas=None):
    """Makes the strategy for what this process was given.

    Several workers are told by the environment variable `TF_CONFIG`, as
    TensorFlow's users know it: the addresses of all workers and which one this
    is. Without it the run has this machine alone. To be called before
    TensorFlow first uses its devices.

    Args:
        replicas: int. GPUs of each worker to use. Defaults to `None`, all of
            them.
        cpu_replicas: int. Logical devices to split the CPU into where there
            is no GPU; TensorFlow takes one of each worker where there are
            several. Defaults to `None`, as many as there are: one, unless it
            was split before.

    Returns:
        A `tf.distribute.Strategy`: the default one where there is a single
        device.

    Raises:
        ValueError: If `TF_CONFIG` is malformed, or a number of devices is out
            of range.

    Example:

    ```python
    from keras_gpt3.parallel import pretraining_strategy

    strategy = pretraining_strategy()
    strategy.num_replicas_in_sync  # 1 on a machine without GPUs.
    ```
    """
    import tensorflow as tf

    if num_workers() > 1:
        _choose_devices_of_worker(replicas, cpu_replicas)
        return tf.distribute.MultiWorkerMirroredStrategy()
    strategy = mirrored_strategy(replicas, cpu_replicas=cpu_replicas)
    if strategy.num_replicas_in_sync == 1:
        return tf.distribute.get_strategy()
    return strategy


def num_workers():
    """Counts the workers that `TF_CONFIG` names."""
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return 1
    try:
        cluster = json.loads(text)["cluster"]
        addresses = [*cluster.get("chief", ()), *cluster.get("worker", ())]
        is_right = all(":" in address for address in addresses)
    except (ValueError, KeyError, TypeError, AttributeError):
        is_right = False
    if not (is_right and addresses):
        raise ValueError(
            "TF_CONFIG must be JSON with the workers of a cluster. Received: "
            f"TF_CONFIG={echoed(text)}. Write it as TensorFlow documents it, "
            "or unset it."
        )
    return len(addresses)


def is_chief(strategy):
    """Whether this worker is the one that writes."""
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not resolver.task_type:
        return True
    return resolver.task_type == "chief" or (
        resolver.task_type == "worker"
        and resolver.task_id == 0
        and "chief" not in resolver.cluster_spec().jobs
    )


def _choose_devices_of_worker(replicas, cpu_replicas):
    """Leaves a worker the devices asked for; TensorFlow takes all it sees."""
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        if replicas is not None:
            _check_range("replicas", replicas, len(gpus), "GPUs of a worker")
            tf.config.set_visible_devices(gpus[:replicas], "GPU")
        return
    for name, value in (("replicas", replicas), ("cpu_replicas", cpu_replicas)):
        if value is not None:
            _check_range(name, value, 1, "CPUs that a worker has to TensorFlow")


def _check_range(name, value, most, what):
    if not 1 <= value <= most:
        raise ValueError(
            f"{name} must be from 1 to the number of {what}. Received: "
            f"{name}={value}, devices={most}. Leave it out to use all of them."
        )
