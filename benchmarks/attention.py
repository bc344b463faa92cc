"""Banded attention against dense attention over the same keys.

    python benchmarks/attention.py [--lengths 512 1024 2048 4096]

Forward and backward pass of one layer of GPT-3 Small (12 heads of 64, batch 1,
float32), window 256: the package's banded and dense operations and
`keras.ops.dot_product_attention` with the same band as a mask, which is what
keras-hub's sliding windows do. Sides alternate; prints medians as JSON.
"""

import argparse
import json
import math
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import keras_gpt3

HEADS, HEAD_DIM, WINDOW = 12, 64, 256


def main():
    """Measures all lengths and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096]
    )
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    rows = [measure(n, arguments.repetitions) for n in arguments.lengths]
    report = {
        "benchmark": "attention",
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "window": WINDOW,
        "rows": rows,
        "banded_slope": slope(rows, "banded_ms"),
        "masked_dense_slope": slope(rows, "masked_dense_ms"),
    }
    print(json.dumps(report, indent=2))


def measure(length, repetitions):
    """Median times of the three sides at one length, in milliseconds."""
    rng = np.random.default_rng(0)
    shape = (1, length, HEADS, HEAD_DIM)
    inputs = [tf.constant(rng.normal(size=shape), tf.float32) for _ in range(3)]
    sides = {
        "banded_ms": gradient_of(
            lambda q, k, v: keras_gpt3.ops.banded_attention(q, k, v, WINDOW)
        ),
        "dense_ms": gradient_of(keras_gpt3.ops.causal_attention),
        "masked_dense_ms": gradient_of(masked_dense),
    }
    times = {name: [] for name in sides}
    for repetition in range(repetitions + 1):
        for name, side in sides.items():
            start = time.perf_counter()
            side(*inputs)
            if repetition:  # The first one compiles.
                times[name].append(1000 * (time.perf_counter() - start))
    row = {name: round(statistics.median(t), 2) for name, t in times.items()}
    ratio = row["masked_dense_ms"] / row["banded_ms"]
    return {
        "length": length,
        **row,
        "masked_dense_over_banded": round(ratio, 2),
    }


def masked_dense(query, key, value):
    """The band as a mask on all scores."""
    distance = (
        tf.range(query.shape[1])[:, None] - tf.range(query.shape[1])[None, :]
    )
    band = (distance >= 0) & (distance < WINDOW)
    return keras.ops.dot_product_attention(
        query, key, value, mask=band[None, None]
    )


def gradient_of(attention):
    """The gradients of an attention function, as one graph."""

    @tf.function
    def gradients(query, key, value):
        with tf.GradientTape() as tape:
            tape.watch((query, key, value))
            output = attention(query, key, value)
        return tape.gradient(output, (query, key, value))

    return gradients


def slope(rows, name):
    """Exponent of the growth with length, from the two longest."""
    if len(rows) < 2:
        return None
    (short, long) = rows[-2:]
    return round(
        math.log(long[name] / short[name])
        / math.log(long["length"] / short["length"]),
        2,
    )


if __name__ == "__main__":
    main()
