"""Replicas of a model on the devices of machines, and their workers."""

import json
import os

import keras
import numpy as np

from keras_gpt3.argument_checks import echoed


def mirrored_strategy(num_replicas=None, *, cpu_replicas=None):
    """Make a `MirroredStrategy` over the GPUs, or over logical CPU devices.

    Without a GPU, the CPU is split into logical devices, which must happen
    before TensorFlow first uses it. Replicas on CPUs exchange through one
    device: TensorFlow's collectives fail there as soon as a second strategy in
    the process meets another shape.

    Args:
        num_replicas: int. Number of replicas. Defaults to `None`: all GPUs, or
            else `cpu_replicas`.
        cpu_replicas: int. Number of replicas where there is no GPU. Defaults
            to `None`: as many CPU devices as TensorFlow already has.

    Returns:
        A `tf.distribute.MirroredStrategy`.

    Raises:
        ValueError: If a number is below 1, or there are fewer devices.

    Example:

    ```python
    import keras_gpt3

    strategy = keras_gpt3.parallel.mirrored_strategy()
    ```
    """
    import tensorflow as tf

    for name, value in (
        ("num_replicas", num_replicas),
        ("cpu_replicas", cpu_replicas),
    ):
        if value is not None and value < 1:
            raise ValueError(
                f"{name} must be at least 1. Received: {name}={value}. Leave "
                "it out to use every device."
            )
    if tf.config.get_visible_devices("GPU"):
        names = _device_names("GPU", num_replicas)
        return tf.distribute.MirroredStrategy(names)
    num_replicas = num_replicas if num_replicas is not None else cpu_replicas
    _split_cpu(num_replicas)
    return tf.distribute.MirroredStrategy(
        _device_names("CPU", num_replicas),
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )


def check_batch_divides(dataset, num_replicas):
    """Raise if a dataset's batches do not divide among the replicas."""
    import tensorflow as tf

    if not isinstance(dataset, tf.data.Dataset):
        return
    specs = tf.nest.flatten(dataset.element_spec)
    shapes = [s.shape for s in specs if hasattr(s, "shape")]
    for shape in shapes:
        batch_size = shape[0] if shape.rank else None
        if batch_size is not None and batch_size % num_replicas:
            larger = num_replicas * (batch_size // num_replicas + 1)
            raise ValueError(
                "The number of replicas must divide the batch size. Received: "
                f"batch_size={batch_size}, num_replicas={num_replicas}. Use a "
                f"batch size of {larger}, or fewer replicas."
            )


def _split_cpu(num_replicas):
    """Split the CPU into logical devices, if that is still possible."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    configured = tf.config.get_logical_device_configuration(cpu)
    if num_replicas and len(configured or [None]) < num_replicas:
        try:
            tf.config.set_logical_device_configuration(
                cpu, [tf.config.LogicalDeviceConfiguration()] * num_replicas
            )
        except RuntimeError:
            pass  # Too late; `_device_names` says so.


def _device_names(kind, num_replicas):
    """The first `num_replicas` logical devices of a kind, or all."""
    import tensorflow as tf

    names = [d.name for d in tf.config.list_logical_devices(kind)]
    if num_replicas and len(names) < num_replicas:
        raise ValueError(
            f"num_replicas must be at most the number of {kind} devices. "
            f"Received: num_replicas={num_replicas}, devices={len(names)}. Use "
            "fewer replicas; CPU devices can only be split before TensorFlow "
            "first uses them."
        )
    return names[:num_replicas]


def pretraining_strategy(replicas=None, cpu_replicas=None, stages=1):
    """Make the strategy for what this process was given.

    Several workers are named by the environment variable `TF_CONFIG`, as
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
        stages: int. Devices of each replica, where a model's blocks are spread
            over several. Defaults to `1`.

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
    if stages > 1 and not tf.config.get_visible_devices("GPU"):
        _split_cpu(stages * (cpu_replicas or 1))
        cpu_replicas = cpu_replicas or 1
    strategy = mirrored_strategy(replicas, cpu_replicas=cpu_replicas)
    if strategy.num_replicas_in_sync == 1:
        return tf.distribute.get_strategy()
    return strategy


def num_workers():
    """Count the workers that `TF_CONFIG` names."""
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
    """Whether this worker, or without a strategy JAX' process, is the first.

    It is the one that writes.
    """
    if strategy is None and keras.config.backend() == "jax":
        import jax

        return jax.process_index() == 0
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not resolver.task_type:
        return True
    return resolver.task_type == "chief" or (
        resolver.task_type == "worker"
        and resolver.task_id == 0
        and "chief" not in resolver.cluster_spec().jobs
    )


def from_first_worker(strategy, number):
    """Give every worker the number that the first one has.

    All workers, or without a strategy JAX' processes, must call it; each
    returns when all have. A single one waits for nothing.
    """
    if strategy is None:
        return _from_first_process(number)
    import tensorflow as tf

    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return number

    def exchange(number):
        replica = tf.distribute.get_replica_context()
        is_first = replica.replica_id_in_sync_group == 0
        return replica.all_reduce(
            tf.distribute.ReduceOp.SUM,
            tf.where(is_first, number, tf.zeros_like(number)),
        )

    share = tf.function(lambda x: strategy.run(exchange, args=(x,)))
    total = share(tf.constant(number, "float64"))
    return int(strategy.experimental_local_results(total)[0])


def sum_over_replicas(tensors):
    """Add up what every replica holds; to be called in each of them."""
    if keras.config.backend() == "jax":  # There, tensors are always whole.
        return tensors
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return tensors
    replica = tf.distribute.get_replica_context()
    if isinstance(tensors, list) and len({x.device for x in tensors}) > 1:
        return replica.merge_call(_sum_where_they_lie, args=(tensors,))
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def _sum_where_they_lie(strategy, tensors):
    """Sums of what is on several devices of each replica.

    `all_reduce` would gather all of it on the first device of the replica, and
    the collectives of a strategy know no other devices than those.
    """
    import tensorflow as tf

    to_one_device = tf.distribute.ReductionToOneDevice()
    return to_one_device.batch_reduce(
        tf.distribute.ReduceOp.SUM, [(x, x) for x in tensors]
    )


def _from_first_process(number):
    if keras.config.backend() != "jax":
        return number
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return number
    # By its bytes: JAX rounds numbers to 32 bits.
    shared = multihost_utils.broadcast_one_to_all(
        np.array([number], "int64").view("uint8")
    )
    return int(np.asarray(shared).view("int64")[0])


def on_any_process(flag):
    """Whether a bool is true on any process of JAX; elsewhere as it is."""
    if keras.config.backend() != "jax":
        return flag
    from jax.experimental import multihost_utils

    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))


def wait_for_all(strategy):
    """Return when every worker has called it."""
    from_first_worker(strategy, 0)


def is_worker_failure(error):
    """Whether an error of a step says that another worker has gone.

    It breaks the collective that all others wait in. TensorFlow has kinds of
    error for that, but sometimes one of the general kinds comes through, as
    JAX' only one does, with a text that names collectives or peers.
    """
    if keras.config.backend() == "jax":
        import jax

        if not isinstance(error, jax.errors.JaxRuntimeError):
            return False  # Such as one of TensorFlow, which reads the data.
        texts = _JAX_PEERS if jax.process_count() > 1 else ()
        return any(text in str(error) for text in texts)
    import tensorflow as tf

    kinds = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.DeadlineExceededError,
        tf.errors.CancelledError,
    )
    text = str(error)
    return isinstance(error, kinds) or (
        isinstance(error, (tf.errors.InternalError, tf.errors.UnknownError))
        and any(word in text for word in ("ollective", "peer", "/job:worker"))
    )


# Of the libraries of collectives on CPUs and GPUs, and of the coordinator.
_JAX_PEERS = ("Gloo", "NCCL", "CoordinationService", "UNAVAILABLE")


def _choose_devices_of_worker(replicas, cpu_replicas):
    """Leave a worker the devices requested; TensorFlow takes all it sees."""
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
