"""What a run reports: a record of each step to log, and where it goes."""

import math
import time

import keras
from keras import ops

from keras_gpt3.ops.op_compilation import as_graph
from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.planning.training_job import model_flops_per_token

# What a step reports, in the order in which it is kept.
REPORT = (
    "loss",
    "accuracy",
    "tokens",
    "gradient_norm",
    "applied",
    "learning_rate",
    "micro_batch_squared_norm",
    "micro_batch_tokens",
)


class RunReport:
    """Makes records of steps: losses, rates, time left."""

    def __init__(
        self,
        recipe,
        sequence_length,
        flops_per_token,
        peak_flops,
        now=time.monotonic,
    ):
        self._recipe, self._length = recipe, sequence_length
        self._flops, self._peak, self._now = flops_per_token, peak_flops, now
        self._seconds = self._tokens = 0.0
        self._last = None

    def step_started(self):
        """Start the clock of a step: what is between them does not count."""
        self._last = self._now()

    def step_ended(self, tokens, counts):
        """Stop the clock of a step."""
        seconds = self._now() - self._last
        if not counts:
            return
        # The last 50 steps or so, by weights that halve every 35.
        self._seconds = 0.98 * self._seconds + seconds
        self._tokens = 0.98 * self._tokens + tokens

    def record(self, step, state, report, noise):
        """Make the record of a step."""
        rate = self._tokens / self._seconds if self._seconds else None
        left = self._recipe.total_tokens - state.tokens_seen
        loss = report["loss"]
        record = {
            "kind": "train",
            "step": step,
            "batch": state.last_batch,
            "tokens_seen": state.tokens_seen,
            "batch_tokens": int(report["tokens"]),
            "loss": loss,
            # Above, a float overflows; what is NaN stays it.
            "perplexity": math.inf if loss >= 700 else math.exp(loss),
            "accuracy": report["accuracy"],
            "gradient_norm": report["gradient_norm"],
            "learning_rate": report["learning_rate"],
            "applied": bool(report["applied"]),
            "skipped_updates": state.skipped_updates,
            "noise_scale_tokens": noise.tokens,
            "recommended_batch_tokens": noise.recommended_batch_tokens(
                self._length
            ),
            "recipe_batch_tokens": self._batch_tokens(step),
            "tokens_per_second": rate,
            "seconds_left": max(0.0, left / rate) if rate else None,
        }
        if self._peak and rate:
            record["model_flops_utilisation"] = rate * self._flops / self._peak
        return record

    def _batch_tokens(self, step):
        """Tokens of the batch of a step, 1 the first, by the recipe."""
        before = self._recipe.tokens_before
        return int(before(step) - before(step - 1))


def make_report(config, model, recipe, sequence_length, devices):
    """Make the report of a run, whose devices' peak is given or measured."""
    peak = config.log.peak_flops
    if peak == "measure":
        here = devices.num_devices // devices.num_workers
        dtype = model.backbone.compute_dtype
        peak = devices.num_workers * measure_peak_flops(dtype, here)
    flops = model_flops_per_token(model.backbone.get_config(), sequence_length)
    return RunReport(recipe, sequence_length, flops, peak)


# Sizes of the square matrices, tried in turn until one takes long enough for
# its start not to count; a CPU without units for 16 bits stops early.
_CPU_SIZES = (256, 512, 1024, 2048, 4096)
_GPU_SIZES = (8192,)
_SECONDS = 0.02
_REPETITIONS = 5


def measure_peak_flops(dtype, num_replicas=1):
    """Times a matrix product, alone, on one device."""
    peak = 0.0
    for size in _GPU_SIZES if has_gpu() else _CPU_SIZES:
        seconds = _seconds_of_product(size, dtype)
        peak = max(peak, 2.0 * size**3 / seconds)
        if seconds >= _SECONDS:
            break
    return peak * (num_replicas if has_gpu() else 1)


def _seconds_of_product(size, dtype):
    """The shortest time of a few, to the end of the computation."""
    factor = ops.cast(keras.random.normal((size, size), seed=0), dtype)
    multiply = as_graph(lambda x: ops.cast(ops.matmul(x, x)[0, 0], "float32"))
    ops.convert_to_numpy(multiply(factor))  # Traces.
    times = []
    for _ in range(_REPETITIONS):
        start = time.perf_counter()
        ops.convert_to_numpy(multiply(factor))
        times.append(time.perf_counter() - start)
    return min(times)
