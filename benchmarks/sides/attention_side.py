"""One attention function, forward and backward, at one length."""

import keras
import numpy as np
from harness.attention_gradients import forward_and_backward
from harness.backend_device import keep_gpu_for_jax
from harness.backend_device import wait_for_device
from harness.keras_step import random_segments
from harness.process_memory import resident_bytes
from harness.side_server import serve

import keras_gpt3


def build(
    side,
    length,
    dtype,
    heads,
    head_dim,
    window,
    rows=1,
    document_length=None,
    jit_compile=None,
):
    """Makes the inputs and the function of their gradients.

    Args:
        side: string. `"banded"`, `"blocked"`, `"stock_causal"` or
            `"masked_dense"`.
        length: int. Positions.
        dtype: string. `"float32"` or `"bfloat16"`.
        heads: int.
        head_dim: int.
        window: int. Width of the band, where there is one.
        rows: int. Sequences of a batch. Defaults to `1`.
        document_length: int. The mean length of documents, which the first two
            sides mask from each other. Defaults to `None`, no masks.
        jit_compile: bool. Whether XLA compiles TensorFlow's graph as a whole.
            Defaults to `None`, operation by operation, as a step runs on a
            CPU.

    Returns:
        A pair of the step, a callable, and a dict of facts.
    """
    keep_gpu_for_jax()
    attend = {
        "banded": lambda q, k, v, ids=None: keras_gpt3.ops.banded_attention(
            q, k, v, window, segment_ids=ids
        ),
        "blocked": lambda q, k, v, ids=None: keras_gpt3.ops.causal_attention(
            q, k, v, segment_ids=ids
        ),
        "stock_causal": lambda q, k, v: keras.ops.dot_product_attention(
            q, k, v, is_causal=True
        ),
        "masked_dense": lambda q, k, v: keras.ops.dot_product_attention(
            q, k, v, mask=_band(length, window)
        ),
    }[side]
    numbers = np.random.default_rng(0).standard_normal(
        (4, rows, length, heads, head_dim), "float32"
    )
    inputs = [keras.ops.cast(x, dtype) for x in numbers]
    if document_length is not None:
        ids = random_segments(rows, length, document_length)
        inputs.append(keras.ops.convert_to_tensor(ids))
    gradients = forward_and_backward(attend, jit_compile)

    def step():
        wait_for_device(gradients(*inputs))

    return step, {"bytes_before": resident_bytes()}


def _band(length, window):
    """Which key a query sees, as a mask on all scores."""
    positions = keras.ops.arange(length)
    distance = positions[:, None] - positions[None, :]
    return ((distance >= 0) & (distance < window))[None, None]


if __name__ == "__main__":
    serve(build, "keras-gpt3", "keras", "tensorflow", "jax")
