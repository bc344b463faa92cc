"""The device that Keras' backend computes on, in the process that uses it."""

import keras


def gpu_facts():
    """What the backend says of its devices.

    Returns:
        A dict: `devices`, a list of strings; `is_nvidia`, whether the backend
        computes on an NVIDIA GPU; where it does also `name`,
        `compute_capability` and `cuda`, a string about versions.
    """
    is_jax = keras.config.backend() == "jax"
    return _jax_facts() if is_jax else _tensorflow_facts()


def _tensorflow_facts():
    import tensorflow as tf

    devices = tf.config.list_physical_devices()
    gpus = [x for x in devices if x.device_type == "GPU"]
    build = tf.sysconfig.get_build_info()
    facts = {"devices": [x.name.split(":", 1)[1] for x in devices]}
    # A build for AMD's GPUs calls them the same.
    if not gpus or not build.get("is_cuda_build"):
        return facts | {"is_nvidia": False}
    details = tf.config.experimental.get_device_details(gpus[0])
    capability = details.get("compute_capability", ())
    built = [build.get(f"{name}_version") for name in ("cuda", "cudnn")]
    return facts | {
        "is_nvidia": True,
        "name": details.get("device_name"),
        "compute_capability": ".".join(map(str, capability)),
        "cuda": f"built with CUDA {built[0]}, cuDNN {built[1]}",
    }


def _jax_facts():
    import jax

    device = jax.local_devices()[0]
    facts = {"devices": [str(x) for x in jax.local_devices()]}
    version = device.client.platform_version
    if device.platform != "gpu" or "cuda" not in version:
        return facts | {"is_nvidia": False}
    return facts | {
        "is_nvidia": True,
        "name": device.device_kind,
        "compute_capability": str(device.compute_capability),
        "cuda": version,
    }


def keep_gpu_for_jax():
    """Lets TensorFlow see no GPU where JAX computes.

    Keras and keras-hub load it for their input, and its first operation would
    take memory of the card. To be called before that.
    """
    if keras.config.backend() == "jax":
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")


def wait_for_device(results=None):
    """Blocks until the device has computed what it was given.

    A loss that has arrived does not mean that the weights are updated.

    Args:
        results: nest of tensors. What JAX is to wait for; TensorFlow waits for
            all that is under way. Defaults to `None`.
    """
    if keras.config.backend() == "jax":
        import jax

        jax.block_until_ready(results)
    else:
        import tensorflow as tf

        tf.test.experimental.sync_devices()
