"""Measures what the devices can do at most. TensorFlow only."""

import time

# Sizes of the square matrices, tried in turn until one takes long enough for
# its start not to count; a CPU without units for 16 bits stops early.
_CPU_SIZES = (256, 512, 1024, 2048, 4096)
_GPU_SIZES = (8192,)
_SECONDS = 0.02
_REPETITIONS = 5


def measure_peak_flops(dtype, num_replicas=1):
    """Times a matrix product, alone, on one device."""
    import tensorflow as tf

    gpus = bool(tf.config.list_logical_devices("GPU"))
    peak = 0.0
    for size in _GPU_SIZES if gpus else _CPU_SIZES:
        seconds = _seconds_of_product(size, dtype)
        peak = max(peak, 2.0 * size**3 / seconds)
        if seconds >= _SECONDS:
            break
    return peak * (num_replicas if gpus else 1)


def _seconds_of_product(size, dtype):
    """The shortest time of a few, to the end of the computation."""
    import tensorflow as tf

    factor = tf.cast(tf.random.stateless_normal((size, size), (0, 1)), dtype)

    @tf.function(autograph=False)
    def multiply(x):
        return tf.matmul(x, x)[0, 0]

    multiply(factor).numpy()  # Traces.
    times = []
    for _ in range(_REPETITIONS):
        start = time.perf_counter()
        multiply(factor).numpy()
        times.append(time.perf_counter() - start)
    return min(times)
