import math
import types

import pytest
import tensorflow as tf

from keras_gpt3.training.run import report
from keras_gpt3.training.run.report import measure_peak_flops


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(report, "_CPU_SIZES", (8, 16, 32))
    monkeypatch.setattr(report, "_GPU_SIZES", (64,))


def clock_of_products(monkeypatch, seconds):
    """A clock by which a product takes so long; of each size the first longer.

    Returns a list of the sizes that were tried, filled as they are.
    """
    sizes, calls, now = [], [], [0.0]
    multiply = tf.matmul

    def matmul(a, b):  # Is called once for each size, when it is traced.
        sizes.append(a.shape[0])
        calls.clear()
        return multiply(a, b)

    def perf_counter():
        calls.append(True)
        now[0] += seconds[sizes[-1]] * (3 if len(calls) == 2 else 1)
        return now[0]

    clock = types.SimpleNamespace(perf_counter=perf_counter)
    monkeypatch.setattr(report, "time", clock)
    monkeypatch.setattr(tf, "matmul", matmul)
    return sizes


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_measure_is_a_finite_number_of_flops(dtype, small):
    peak = measure_peak_flops(dtype)
    assert math.isfinite(peak)
    assert peak > 0


@pytest.mark.parametrize(
    "seconds, sizes, expected",
    [
        # The largest has the best rate.
        ({8: 0.001, 16: 0.002, 32: 0.003}, [8, 16, 32], 2 * 32**3 / 0.003),
        # The middle one has; a larger one meets a slower memory.
        ({8: 0.001, 16: 0.001, 32: 0.015}, [8, 16, 32], 2 * 16**3 / 0.001),
        # Long enough to be right: a larger one would take minutes.
        ({8: 0.001, 16: 0.021}, [8, 16], 2 * 8**3 / 0.001),
    ],
)
def test_the_peak_is_the_best_rate_of_a_few_sizes(
    seconds, sizes, expected, small, monkeypatch
):
    tried = clock_of_products(monkeypatch, seconds)
    received = measure_peak_flops("float32", num_replicas=2)
    # A CPU's replicas share its cores.
    assert received == pytest.approx(expected, rel=1e-6)
    assert tried == sizes


def test_gpus_count_each(small, monkeypatch):
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: [kind] * 4
    )
    tried = clock_of_products(monkeypatch, {64: 0.001})
    received = measure_peak_flops("float32", num_replicas=4)
    assert received == pytest.approx(4 * 2 * 64**3 / 0.001, rel=1e-6)
    assert tried == [64]
