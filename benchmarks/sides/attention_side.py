"""One attention function, forward and backward, at one length. TensorFlow."""

import keras
import tensorflow as tf
from harness.attention_gradients import forward_and_backward
from harness.process_memory import resident_bytes
from harness.side_server import serve

import keras_gpt3


def build(side, length, dtype, heads, head_dim, window):
    """Makes the inputs and the function of their gradients.

    Args:
        side: string. `"banded"`, `"blocked"`, `"stock_causal"` or
            `"masked_dense"`.
        length: int. Positions.
        dtype: string. `"float32"` or `"bfloat16"`.
        heads: int.
        head_dim: int.
        window: int. Width of the band, where there is one.

    Returns:
        A pair of the step, a callable, and a dict of facts.
    """
    attend = {
        "banded": lambda q, k, v: keras_gpt3.ops.banded_attention(
            q, k, v, window
        ),
        "blocked": keras_gpt3.ops.causal_attention,
        "stock_causal": lambda q, k, v: keras.ops.dot_product_attention(
            q, k, v, is_causal=True
        ),
        "masked_dense": lambda q, k, v: keras.ops.dot_product_attention(
            q, k, v, mask=_band(length, window)
        ),
    }[side]
    inputs = [
        tf.cast(tf.random.normal((1, length, heads, head_dim), seed=i), dtype)
        for i in range(4)
    ]
    # Operation by operation, as a step runs on a CPU.
    gradients = forward_and_backward(attend, jit_compile=None)

    def step():
        gradients(*inputs)

    return step, {"bytes_before": resident_bytes()}


def _band(length, window):
    """Which key a query sees, as a mask on all scores."""
    distance = tf.range(length)[:, None] - tf.range(length)[None, :]
    return ((distance >= 0) & (distance < window))[None, None]


if __name__ == "__main__":
    serve(build, "keras-gpt3", "keras", "tensorflow")
