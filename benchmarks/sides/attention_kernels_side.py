"""Attention as the package runs it in compiled programs, case by case.

Each step is the next case: output and gradients of the package's op, of its
loop and of Keras' own op in half precision, against the loop in float32 on the
same numbers and the same device, and what each takes.
"""

import contextlib
import time

import keras
import numpy as np
from harness.attention_gradients import forward_and_backward
from harness.backend_device import keep_gpu_for_jax
from harness.backend_device import wait_for_device
from harness.side_server import serve

import keras_gpt3
from keras_gpt3.ops.attention.attention_loop import looped_attention
from keras_gpt3.ops.attention.fused_attention import is_fused

NAMES = ("output", "d_query", "d_key", "d_value")


def build(cases, dtype, rows, heads, head_dim, repetitions):
    """Prepares the cases.

    Args:
        cases: list of dicts: `length`, `window` (`None` for dense attention)
            and `masked`, whether the program takes a padding mask.
        dtype: string. `"bfloat16"` or `"float16"`.
        rows: int. Sequences of a batch.
        heads: int.
        head_dim: int.
        repetitions: int. Timed calls, one right after the other.

    Returns:
        A pair of the step, which returns a list of results of the next case,
        one for each mask, and a dict of no facts.
    """
    keep_gpu_for_jax()
    shape, remaining = (rows, heads, head_dim), iter(cases)

    def step():
        return list(_results(next(remaining), dtype, shape, repetitions))

    return step, {}


@contextlib.contextmanager
def _exact_products():
    """Computes float32 products in float32, for which GPUs else take 10 bits.

    The process must have NVIDIA_TF32_OVERRIDE=0 as well, for TensorFlow's flag
    does not reach all products in XLA.
    """
    if keras.config.backend() == "jax":
        import jax

        with jax.default_matmul_precision("highest"):
            yield
        return
    import tensorflow as tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def _results(case, dtype, shape, repetitions):
    """Yields what one case gives, for each mask."""
    length, window = case["length"], case["window"]
    exact = _random_tensors(length, shape, dtype)
    inputs = [keras.ops.cast(x, dtype) for x in exact]
    programs = _programs(length, window, shape[-1], case["masked"])
    for name, mask in _masks(length, shape[0], case["masked"]).items():
        with _exact_products():
            reference = _numbers(programs["loop"](*exact, *mask))
        yield {
            "mask": name,
            "is_fused": bool(is_fused(inputs[0])),
            "reference_error": _error_of_first_row(exact, window, reference[0]),
            **{
                side: _measured(
                    program, (*inputs, *mask), reference, repetitions
                )
                for side, program in programs.items()
            },
        }


def _measured(program, tensors, reference, repetitions):
    """What one side gives and takes; an error does not end the others."""
    try:
        results = _numbers(program(*tensors))
        milliseconds = _milliseconds(program, tensors, repetitions)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error)[:300]}"}
    pairs = zip(NAMES, results, reference, strict=True)
    return {
        "differences": {x: _relative_difference(*both) for x, *both in pairs},
        "milliseconds": milliseconds,
    }


def _random_tensors(length, shape, dtype):
    """Query, key, value and upstream in float32, of numbers of `dtype`."""
    rows, heads, head_dim = shape
    generator = np.random.default_rng(length)
    numbers = generator.standard_normal(
        (4, rows, length, heads, head_dim), "float32"
    )
    rounded = (keras.ops.cast(x, dtype) for x in numbers)
    return [keras.ops.cast(x, "float32") for x in rounded]


def _masks(length, rows, masked):
    """Tuples of a mask or none; the first row is never padded."""
    if not masked:
        return {"none": ()}
    visible = np.ones((rows, length), "bool")
    padded = visible.copy()
    padded[1::2, length * 3 // 4 :] = False
    return {
        "all_visible": (keras.ops.convert_to_tensor(visible),),
        "padded": (keras.ops.convert_to_tensor(padded),),
    }


def _programs(length, window, head_dim, masked):
    """The sides, compiled when they are first called."""

    def package(query, key, value, mask=None):
        tensors = (query, key, value)
        if window is None:
            return keras_gpt3.ops.causal_attention(*tensors, padding_mask=mask)
        return keras_gpt3.ops.banded_attention(
            *tensors, window, padding_mask=mask
        )

    def loop(query, key, value, *mask):
        return looped_attention(
            query, key, value, *mask, window=window, scale=head_dim**-0.5
        )

    def keras_own(query, key, value):
        if window is None:
            return keras.ops.dot_product_attention(
                query, key, value, is_causal=True
            )
        band = keras.ops.convert_to_tensor(_visible(length, window))
        return keras.ops.dot_product_attention(
            query, key, value, mask=band[None, None]
        )

    sides = {"package": package, "loop": loop}
    if not masked:
        sides["keras"] = keras_own
    return {name: forward_and_backward(x) for name, x in sides.items()}


def _visible(length, window):
    """Which key a query sees, (T, T)."""
    distance = np.arange(length)[:, None] - np.arange(length)
    return (distance >= 0) & (distance < (window or length))


def _numbers(tensors):
    """Tensors as float32 arrays on the host."""
    return [
        keras.ops.convert_to_numpy(keras.ops.cast(x, "float32"))
        for x in tensors
    ]


def _relative_difference(result, expected):
    """The largest difference over the largest number."""
    # Not a number where the result is not, which Python's `max` would drop.
    return float(np.abs(result - expected).max() / np.abs(expected).max())


def _error_of_first_row(tensors, window, output):
    """How far the reference is from float64, in one head of one row."""
    query, key, value = (
        x[0, :, 0].astype("float64") for x in _numbers(tensors[:3])
    )
    scores = query @ key.T / np.sqrt(query.shape[-1])  # (T, T)
    scores = np.where(_visible(len(query), window), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    exact = weights @ value / weights.sum(axis=-1, keepdims=True)  # (T, D)
    return _relative_difference(output[0, :, 0], exact)


def _milliseconds(program, tensors, repetitions):
    """The mean of calls of which only the last is waited for."""
    wait_for_device(program(*tensors))
    start = time.perf_counter()
    for _ in range(repetitions):
        results = program(*tensors)
    wait_for_device(results)
    return 1000 * (time.perf_counter() - start) / repetitions


if __name__ == "__main__":
    serve(build, "keras-gpt3", "keras", "tensorflow", "jax")
