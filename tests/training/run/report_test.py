import json
import math
import types

import numpy as np
import pytest

from keras_gpt3.training.recipe.pretraining_recipe import PretrainingRecipe
from keras_gpt3.training.run import report
from keras_gpt3.training.run.report import RunReport
from keras_gpt3.training.run.report import measure_peak_flops
from keras_gpt3.training.run.state import RunState
from keras_gpt3.training.step.gradient_noise_scale import GradientNoiseScale

# === Peak flops ===


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(report, "_CPU_SIZES", (8, 16, 32))
    monkeypatch.setattr(report, "_GPU_SIZES", (64,))


def clock_of_products(monkeypatch, seconds):
    """A clock by which a product takes so long; of each size the first longer.

    Returns a list of the sizes that were tried, filled as they are.
    """
    sizes, calls, now = [], [], [0.0]
    multiply = report.ops.matmul

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
    monkeypatch.setattr(report.ops, "matmul", matmul)
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
    monkeypatch.setattr(report, "has_gpu", lambda: True)
    tried = clock_of_products(monkeypatch, {64: 0.001})
    received = measure_peak_flops("float32", num_replicas=4)
    assert received == pytest.approx(4 * 2 * 64**3 / 0.001, rel=1e-6)
    assert tried == [64]


# === Run report ===


LENGTH = 8
RECIPE = PretrainingRecipe(
    batch_tokens=64,
    learning_rate=1e-3,
    total_tokens=1000,
    start_batch_tokens=16,
    ramp_tokens=200,
    sequence_length=LENGTH,
)
REPORT = {
    "loss": 2.0,
    "accuracy": 0.25,
    "tokens": 16.0,
    "gradient_norm": 3.0,
    "applied": 1.0,
    "learning_rate": 1e-4,
}


class Clock:
    seconds = 100.0

    def __call__(self):
        return self.seconds


def run_steps(report, clock, steps):
    """Steps, given by their tokens and seconds; the first one compiles."""
    for number, (tokens, seconds) in enumerate(steps):
        report.step_started()
        clock.seconds += seconds
        report.step_ended(tokens, counts=number > 0)
        clock.seconds += 50  # A validation, say, which does not count.


def make_record(state=None, peak_flops=None, steps=(), step=1, **changes):
    clock = Clock()
    report = RunReport(RECIPE, LENGTH, 6e3, peak_flops, now=clock)
    run_steps(report, clock, steps)
    state = state or RunState()
    noise = GradientNoiseScale()
    noise.update(1.0, 4096, 2.0, 1024)  # 2048 tokens, by its docstring.
    return report.record(step, state, REPORT | changes, noise)


def test_a_record_tells_the_step_and_the_run():
    state = RunState(skip_batches={1})
    for applied in (True, False, True):
        state.advance(16, applied)
    record = make_record(state, step=3)
    assert record == {
        "kind": "train",
        "step": 3,
        "batch": 3,
        "tokens_seen": 48,
        "batch_tokens": 16,
        "loss": 2.0,
        "perplexity": pytest.approx(np.exp(2.0)),
        "accuracy": 0.25,
        "gradient_norm": 3.0,
        "learning_rate": 1e-4,
        "applied": True,
        "skipped_updates": 1,
        "noise_scale_tokens": 2048.0,
        "recommended_batch_tokens": 2048,
        "recipe_batch_tokens": RECIPE.at(2).batch_tokens,
        "tokens_per_second": None,
        "seconds_left": None,
    }
    assert json.loads(json.dumps(record)) == record


def test_the_recipe_s_batch_is_that_of_the_step_that_was_made():
    sizes = [
        make_record(step=step)["recipe_batch_tokens"] for step in range(1, 20)
    ]
    assert sizes == [RECIPE.at(step).batch_tokens for step in range(19)]
    assert sizes[0] == 16 and sizes[-1] == 64


def test_without_noise_nothing_is_recommended():
    report = RunReport(RECIPE, LENGTH, 6e3, None)
    record = report.record(1, RunState(), REPORT, GradientNoiseScale())
    assert record["noise_scale_tokens"] is None
    assert record["recommended_batch_tokens"] is None


def test_the_rate_is_that_of_the_last_steps_and_not_of_what_is_between():
    steps = [(16, 90.0), (32, 0.5), (32, 0.5), (64, 2.0)]
    record = make_record(RunState(tokens_seen=144), steps=steps)
    # The first step, which compiles, does not count; older ones count less.
    weights = 0.98 ** np.array([2, 1, 0])
    tokens = (weights * [32, 32, 64]).sum()
    rate = tokens / (weights * [0.5, 0.5, 2.0]).sum()
    assert record["tokens_per_second"] == pytest.approx(rate)
    assert record["seconds_left"] == pytest.approx((1000 - 144) / rate)


def test_the_utilisation_is_a_share_of_the_peak():
    steps = [(16, 9.0), (64, 2.0)]
    record = make_record(peak_flops=1e6, steps=steps)
    # 32 tokens a second, of 6000 FLOPs each.
    assert record["model_flops_utilisation"] == pytest.approx(0.192)
    for unknown in (
        make_record(peak_flops=None, steps=steps),
        make_record(peak_flops=1e6),
    ):
        assert "model_flops_utilisation" not in unknown


def test_no_time_is_left_after_the_end():
    state = RunState(tokens_seen=1008)
    assert make_record(state, steps=[(16, 9), (16, 1)])["seconds_left"] == 0


@pytest.mark.parametrize(
    "loss, perplexity",
    [(0.0, 1.0), (699.0, math.exp(699)), (1e4, math.inf), (math.inf, math.inf)],
)
def test_a_perplexity_that_no_float_holds_is_infinite(loss, perplexity):
    assert make_record(loss=loss)["perplexity"] == perplexity


def test_a_loss_that_is_no_number_has_no_perplexity_either():
    record = make_record(loss=math.nan, applied=0.0)
    assert math.isnan(record["perplexity"])
    assert record["applied"] is False
