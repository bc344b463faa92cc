"""Causal attention by cuDNN's fused kernels, on NVIDIA GPUs.

Under JAX by `jax.nn.dot_product_attention`, under TensorFlow by custom calls
(`cudnn_attention`). One rule says when they are used (`is_fused`). They know no
padding mask that is data: in a program where a mask is given, a condition on it
chooses between the kernels, when every key is visible, and the loop of
`attention_loop`, when a batch has padding. Programs with segments have the loop
alone: docs/limits.md says what cuDNN has for them, and why it is not used.
"""

import functools

import keras
from keras import ops

from keras_gpt3.argument_checks import echoed
from keras_gpt3.argument_checks import log_once
from keras_gpt3.ops.attention import attention_loop
from keras_gpt3.ops.attention import cudnn_attention
from keras_gpt3.ops.op_compilation import is_target_given
from keras_gpt3.ops.op_compilation import target_platform
from keras_gpt3.ops.with_dependencies import with_dependencies

_HALF_PRECISION = ("bfloat16", "float16")
_MOST_HEAD_DIM = 128
_LEAST_CAPABILITY = 8.0
# Keras' own switch has no value that demands them, and holds for one thread.
_choice = {"fused": "auto"}


def set_fused_attention(choice):
    """Forbid or demand the fused attention kernels of NVIDIA GPUs.

    For the whole process, and what is compiled from then on.
    `keras.config.disable_flash_attention` forbids them as well, in its thread,
    which is not one of a strategy's replicas.

    Args:
        choice: string or bool. `"auto"`, the kernels where they can be had;
            `False`, never; `True`, an error where XLA compiles a whole program
            for which they cannot be had. What TensorFlow runs op by op never
            has them.

    Raises:
        ValueError: If the choice is none of these.

    Example:

    ```python
    import keras_gpt3

    keras_gpt3.ops.set_fused_attention(False)  # the compiled loop, everywhere
    keras_gpt3.ops.set_fused_attention("auto")
    ```
    """
    if choice not in ("auto", True, False):
        raise ValueError(
            "choice must be 'auto', True or False. Received: "
            f"choice={echoed(choice)}. Use 'auto' to let the device decide."
        )
    _choice["fused"] = choice if isinstance(choice, str) else bool(choice)


def is_fused(query, has_segments=False):
    """Whether attention with this query runs by the fused kernels.

    `query` is (B, T, H, D). Raises a `ValueError` where they are demanded and
    cannot be had.
    """
    choice = _choice["fused"]
    if choice is False or keras.config.is_flash_attention_enabled() is False:
        return False
    obstacle = _obstacle(query, has_segments)
    if obstacle is None:
        return True
    required, received = obstacle
    if choice is True:
        raise ValueError(
            f"Fused attention must have {required}. Received: {received}. "
            "Call keras_gpt3.ops.set_fused_attention('auto') to use the loop."
        )
    if target_platform() == "gpu":
        log_once(
            f"Attention runs as a loop: fused kernels need {required}. "
            f"Received: {received}."
        )
    return False


def _obstacle(query, has_segments):
    """What the fused kernels require and what there is; `None` if they run."""
    if target_platform() != "gpu":
        return "an NVIDIA GPU", f"platform={echoed(target_platform())}"
    if has_segments:
        return "one document a row", "segment_ids"
    dtype = keras.backend.standardize_dtype(query.dtype)
    if dtype not in _HALF_PRECISION:
        return "bfloat16 or float16", f"dtype={echoed(dtype)}"
    head_dim = query.shape[-1]
    if head_dim % 8 or head_dim > _MOST_HEAD_DIM:
        return (
            f"a head_dim of at most {_MOST_HEAD_DIM} that 8 divides",
            f"head_dim={head_dim}",
        )
    if is_target_given():
        return None
    capability = _compute_capability()
    if capability < _LEAST_CAPABILITY:
        return (
            f"a GPU of compute capability {_LEAST_CAPABILITY} or more",
            f"compute capability {capability}",
        )
    if None in query.shape:
        return "a known shape", f"shape={tuple(query.shape)}"
    if not cudnn_attention.agrees_with_loop(dtype, query.shape[-1]):
        return (
            "kernels that give what the loop gives",
            "a GPU or a TensorFlow where they do not",
        )
    return None


def _compute_capability():
    """That of the device, 0 where it is not NVIDIA's."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        gpu = tf.config.get_visible_devices("GPU")[0]
        details = tf.config.experimental.get_device_details(gpu)
        major, minor = details.get("compute_capability", (0, 0))
        return float(f"{major}.{minor}")
    import jax

    device = jax.local_devices()[0]
    if "cuda" not in device.client.platform_version:
        return 0.0
    return float(device.compute_capability)


def fused_attention(query, key, value, padding_mask=None, *, window, scale):
    """Attention as `looped_attention`, where `is_fused` holds."""
    if keras.config.backend() == "tensorflow":
        mask = () if padding_mask is None else (padding_mask,)
        return _call_or_loop(query, key, value, mask, window, scale)
    if padding_mask is None:
        return cudnn_attention.kernel_attention(
            query, key, value, window, scale
        )
    choose = _jitted_choice(window, scale, target_platform())
    return choose(query, key, value, padding_mask)


@functools.cache
def _jitted_choice(window, scale, platform):
    """The choice by a mask; JAX would compile it anew in each eager call."""
    import jax

    from keras_gpt3.ops.attention.jax_kernel_or_loop import KernelOrLoop

    kernel = functools.partial(
        cudnn_attention.kernel_attention, window=window, scale=scale
    )

    # What a trace saves is its own.
    def choose(query, key, value, mask):
        return KernelOrLoop(kernel, window, scale)(query, key, value, mask)

    return jax.jit(choose)


def _call_or_loop(query, key, value, mask, window, scale):
    """The same under TensorFlow: custom calls in batches without padding."""
    import tensorflow as tf

    def choose(call, loop):
        if not mask:
            return call()
        return tf.cond(tf.reduce_all(mask[0]), call, loop)

    @ops.custom_gradient
    def attend(*inputs):
        output, log_sums = choose(
            lambda: cudnn_attention.cudnn_forward(*inputs, window, scale),
            lambda: attention_loop.loop_forward(*inputs, mask, window, scale),
        )

        def gradient(upstream):
            saved = (output, log_sums, upstream)
            again = with_dependencies(inputs, upstream)
            return choose(
                lambda: cudnn_attention.cudnn_backward(
                    *inputs, window, scale, *saved
                ),
                lambda: attention_loop.loop_backward(
                    *again, mask, window, scale, *saved
                ),
            )

        return output, gradient

    return attend(query, key, value)
