"""Memory of an accelerator in which JAX would place a model. JAX only."""


def accelerator_memory():
    """Finds the memory that JAX may use of one accelerator.

    Asking starts JAX: where there are several hosts, call
    `keras.distribution.initialize` before.

    Returns:
        An int, bytes, or `None` where devices are CPUs, which share the
        memory of their host, or do not tell.

    Example:

    ```python
    import keras
    from keras_gpt3.planning.accelerator_memory import accelerator_memory

    if keras.config.backend() == "jax":
        accelerator_memory()  # 63660032000 on an 80 GB card, None on a CPU
    ```
    """
    import jax

    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return None
    return (device.memory_stats() or {}).get("bytes_limit")
