"""Memory that a new model could take where it would be placed."""

from keras_gpt3.planning.container_memory import container_memory
from keras_gpt3.planning.gpu_memory import gpu_memory


def available_memory():
    """Finds the bytes available where a model would be placed.

    On the TensorFlow backend with a GPU that is the memory of one GPU. Else
    it is the machine's available memory, lowered by the limit of the
    container if there is one.

    Returns:
        An int, bytes.

    Example:

    ```python
    from keras_gpt3.planning import available_memory
    from keras_gpt3.planning import format_bytes

    format_bytes(available_memory())  # "23.1 GB"
    ```
    """
    gpu = gpu_memory() if _backend_is_tensorflow() else None
    return _host_memory() if gpu is None else gpu


def _backend_is_tensorflow():
    import keras

    return keras.backend.backend() == "tensorflow"


def _host_memory():
    import psutil

    available = psutil.virtual_memory().available
    limit = container_memory()
    return available if limit is None else min(available, limit)
