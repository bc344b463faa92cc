"""Memory of an accelerator in which JAX would place a model. JAX only."""


def accelerator_memory():
    """Finds the memory that JAX may use of one accelerator.

    Asking starts JAX: where there are several hosts, call
    `keras.distribution.initialize` before.
    """
    import jax

    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return None
    return (device.memory_stats() or {}).get("bytes_limit")
