"""Memory that a new model could take where it would be placed."""

from keras_gpt3.planning.accelerator_memory import accelerator_memory
from keras_gpt3.planning.container_memory import container_memory
from keras_gpt3.planning.gpu_memory import gpu_memory


def available_memory():
    """Finds the bytes available where a model would be placed.

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

    An int, bytes; `None` where there is none, or it does not tell.
    """
    of_device = {"tensorflow": gpu_memory, "jax": accelerator_memory}
    return of_device[_backend()]()


def _backend():
    import keras

    return keras.config.backend()


def _host_memory():
    import psutil

    available = psutil.virtual_memory().available
    limit = container_memory()
    return available if limit is None else min(available, limit)
