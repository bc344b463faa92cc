"""cuDNN's fused attention: custom calls for TensorFlow, and a trial for both.

XLA for NVIDIA GPUs turns custom calls of certain names into cuDNN's kernels.
JAX' `dot_product_attention` makes such calls; TensorFlow has no function that
does, but an operation for any custom call. What a call says of itself is read
from jax 0.10 (`jax/_src/cudnn/fused_attention_stablehlo.py`), and holds the
fields that the XLA of TensorFlow 2.20 knows. As no release promises that it
stays so, `agrees_with_loop` runs both ways once, before the calls are used.
"""

import functools
import json
import logging

import keras
import numpy as np

from keras_gpt3.ops.attention import attention_loop
from keras_gpt3.ops.attention.attention_shapes import by_head

_logger = logging.getLogger("keras_gpt3")

_ELEMENT_TYPES = {"bfloat16": "BF16", "float16": "F16"}
# The two products of the forward pass and the four of the backward pass, of
# (B, T, H, D) and of scores (B, H, T, T): contracted axes, then batch axes.
_FORWARD_PRODUCTS = {
    "bmm1": ((3, 3), ((0, 2), (0, 2))),
    "bmm2": ((3, 1), ((0, 1), (0, 2))),
}
_BACKWARD_PRODUCTS = {
    "bmm1_grad_gemm1": ((2, 1), ((0, 1), (0, 2))),
    "bmm1_grad_gemm2": ((3, 1), ((0, 1), (0, 2))),
    "bmm2_grad_gemm1": ((2, 1), ((0, 1), (0, 2))),
    "bmm2_grad_gemm2": ((3, 3), ((0, 2), (0, 2))),
}
# Of the largest value, with two blocks of queries; bfloat16 rounds results to
# 1/256, and weights on the way.
_TOLERANCE = 0.02
_TRIED_LENGTH = 384
_TRIED_ON = "GPU:0"
_TRIED_WINDOW = 100


def kernel_attention(query, key, value, window, scale):
    """cuDNN's attention, with its gradient. JAX only."""
    import jax

    return jax.nn.dot_product_attention(
        query,
        key,
        value,
        scale=scale,
        is_causal=True,
        local_window_size=None if window is None else (window - 1, 0),
        implementation="cudnn",
    )


def cudnn_forward(query, key, value, window, scale):
    """Attention, and the log-sum-exp of each row's scores (B, H, T, 1)."""
    batch, length, heads, head_dim = query.shape
    output, log_sums = _call(
        "__cudnn$fmhaSoftmax",
        [query, key, value],
        [
            ((batch, heads, length, head_dim), query.dtype),
            ((batch, heads, length), "float32"),
        ],
        _config(query, window, scale, _FORWARD_PRODUCTS),
    )
    return by_head(output), log_sums[..., None]


def cudnn_backward(
    query, key, value, window, scale, output, log_sums, upstream
):
    """The gradients of query, key and value."""
    batch, length, heads, head_dim = query.shape
    gradient = ((batch, heads, length, head_dim), query.dtype)
    gradients = _call(
        "__cudnn$fmhaSoftmaxBackward",
        [query, key, value, log_sums[..., 0], upstream, output],
        [gradient] * 3,
        _config(query, window, scale, _BACKWARD_PRODUCTS),
    )
    return [by_head(x) for x in gradients]


def _call(name, operands, results, config):
    """A custom call; results are pairs of a shape and a dtype."""
    import tensorflow as tf
    from tensorflow.compiler.tf2xla.python import xla

    # The last one is for cuDNN to work in: XLA finds out its size.
    specs = [tf.TensorSpec(*result) for result in (*results, ((0,), "uint8"))]
    return xla.custom_call_v2(name, operands, specs, config)[:-1]


def _config(query, window, scale, products):
    """What a call says of itself, as JSON."""
    batch, length, heads, _ = query.shape
    attention = {
        "algorithm": {
            "algo_id": "0",
            "math_type": "TENSOR_OP_MATH",
            "tuning_knobs": {"17": "1", "24": "0"},
            "is_cudnn_frontend": True,
            "workspace_size": "0",
        },
        "fmha_scale": scale,
        "intermediate_tensor_shape": {
            "element_type": _ELEMENT_TYPES[query.dtype.name],
            "dimensions": [str(x) for x in (batch, heads, length, length)],
            "layout": {"minor_to_major": ["3", "2", "1", "0"]},
            "is_dynamic_dimension": [False] * 4,
        },
        "is_flash_attention": True,
        "mask_type": "CAUSAL",
        "dropout_rate": 0.0,
        "seed": 42,
        "sliding_window_length": window or 0,
        "max_seg_per_batch": 1,
        "is_paged_attention": False,
    }
    for name, (contracted, batched) in products.items():
        attention[f"{name}_dot_dimension_numbers"] = {
            "lhs_contracting_dimensions": [str(contracted[0])],
            "rhs_contracting_dimensions": [str(contracted[1])],
            "lhs_batch_dimensions": [str(axis) for axis in batched[0]],
            "rhs_batch_dimensions": [str(axis) for axis in batched[1]],
        }
    config = {"operation_queue_id": "0", "cudnn_fmha_backend_config": attention}
    return json.dumps(config)


@functools.cache
def agrees_with_loop(dtype, head_dim):
    """Whether cuDNN's kernels run here, and give what the loop gives.

    Tried once for each dtype and head size, on small random numbers, forward
    and backward, dense and banded; on both backends. Says in the log why not.
    """
    try:
        worst = np.max(
            [
                _difference(dtype, head_dim, window)
                for window in (None, _TRIED_WINDOW)
            ]
        )
    except Exception as error:  # Whatever it is, the loop works.
        why = (str(error) or repr(error)).splitlines()[0][:200]
    else:
        if worst <= _TOLERANCE:
            return True
        why = f"results differ by {worst:.3g} of the largest"
    _logger.warning(
        "Attention runs as a loop: cuDNN's kernels do not work here for %s "
        "with head_dim=%d (%s).",
        dtype,
        head_dim,
        why,
    )
    return False


def _difference(dtype, head_dim, window):
    """The largest difference between the two ways, of the largest value."""
    generator = np.random.default_rng(0)
    shape = (2, _TRIED_LENGTH, 2, head_dim)
    arrays = [generator.normal(size=shape) for _ in range(4)]
    is_jax = keras.config.backend() == "jax"
    run = _run_in_jax if is_jax else _run_in_tensorflow
    expected, received = run(arrays, dtype, window, head_dim**-0.5)
    # Not Python's `max`, which drops what is not a number.
    return np.max(
        [
            np.abs(a - b).max() / np.abs(a).max()
            for a, b in zip(expected, received, strict=True)
        ]
    )


def _by_loop(query, key, value, upstream, window, scale):
    """The output and the gradients."""
    inputs = (query, key, value, (), window, scale)
    output, sums = attention_loop.loop_forward(*inputs)
    gradients = attention_loop.loop_backward(*inputs, output, sums, upstream)
    return output, *gradients


def _run_in_jax(arrays, dtype, window, scale):
    """Results of both ways as float32 arrays, on JAX' default device."""
    import jax

    def by_kernel(query, key, value, upstream, window, scale):
        output, pull_back = jax.vjp(
            functools.partial(kernel_attention, window=window, scale=scale),
            *(query, key, value),
        )
        return output, *pull_back(upstream)

    # Out of whatever is being traced.
    with jax.ensure_compile_time_eval():
        tensors = [jax.numpy.asarray(x, dtype) for x in arrays]
        return [
            [
                np.asarray(x.astype("float32"))
                for x in jax.jit(side, static_argnums=(4, 5))(
                    *tensors, window, scale
                )
            ]
            for side in (_by_loop, by_kernel)
        ]


def _run_in_tensorflow(arrays, dtype, window, scale):
    """The same on the first GPU that TensorFlow sees."""
    import tensorflow as tf

    def by_call(query, key, value, upstream, window, scale):
        inputs = (query, key, value)
        output, sums = cudnn_forward(*inputs, window, scale)
        gradients = cudnn_backward(
            *inputs, window, scale, output, sums, upstream
        )
        return output, *gradients

    # Out of whatever is being traced.
    with tf.init_scope(), tf.device(_TRIED_ON):
        tensors = [tf.cast(x, dtype) for x in arrays]
        return [
            [
                x.numpy().astype("float32")
                for x in tf.function(side, jit_compile=True, autograph=False)(
                    *tensors, window, scale
                )
            ]
            for side in (_by_loop, by_call)
        ]
