"""How long the matrix products of a step take, each alone. TensorFlow."""

import collections
import statistics
import time

import tensorflow as tf


class Roofline:
    """Times matrix products, each alone, at its own shapes and dtype.

    Args:
        products: list of `MatrixProduct`.
        dtype: string. `"float32"` or `"bfloat16"`.
        repetitions: int. Timed calls of each product; the median counts.
            Defaults to `3`.

    Returns:
        A dict: `seconds`, `flops` and `gigaflops_per_second` of all products,
        and `parts`, the seconds of each part.
    """

    def __init__(self, products, dtype, repetitions=3):
        self._products = [(x, _multiplication(x)) for x in products]
        self._dtype = dtype
        self._repetitions = repetitions

    def __call__(self):
        parts = collections.Counter()
        for product, multiply in self._products:
            once = self._seconds(product, multiply)
            parts[product.part] += once * product.count
        seconds = sum(parts.values())
        flops = sum(product.flops for product, _ in self._products)
        return {
            "seconds": seconds,
            "flops": flops,
            "gigaflops_per_second": flops / seconds / 1e9,
            "parts": dict(parts),
        }

    def _seconds(self, product, multiply):
        """The median time of one product."""
        a = _matrices(
            product.batch,
            product.rows,
            product.inner,
            product.transpose_a,
            self._dtype,
        )
        b = _matrices(
            product.batch,
            product.inner,
            product.columns,
            product.transpose_b,
            self._dtype,
        )
        multiply(a, b)  # The first call traces.
        times = []
        for _ in range(self._repetitions):
            start = time.perf_counter()
            multiply(a, b)
            times.append(time.perf_counter() - start)
        return statistics.median(times)


def _multiplication(product):
    """A graph with one matrix product."""

    @tf.function
    def multiply(a, b):
        return tf.linalg.matmul(
            a,
            b,
            transpose_a=product.transpose_a,
            transpose_b=product.transpose_b,
        )

    return multiply


def _matrices(batch, rows, columns, transposed, dtype):
    """Random matrices as they lie in memory; a batch of 1 has no axis."""
    shape = (columns, rows) if transposed else (rows, columns)
    shape = (batch, *shape) if batch > 1 else shape
    return tf.cast(tf.random.uniform(shape, -1.0, 1.0), dtype)
