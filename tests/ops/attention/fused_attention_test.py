import functools
import logging
import re
import types

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.backend.common import global_state

from keras_gpt3.ops import causal_attention
from keras_gpt3.ops import set_fused_attention
from keras_gpt3.ops.attention import attention_loop
from keras_gpt3.ops.attention import attention_shapes
from keras_gpt3.ops.attention import cudnn_attention
from keras_gpt3.ops.attention import fused_attention as fused
from keras_gpt3.ops.op_compilation import compile_target
from tests.ops.attention.attention_check import TOLERANCES
from tests.ops.attention.attention_check import assert_equals_slow_attention
from tests.ops.attention.attention_check import exact_attention
from tests.ops.attention.attention_check import random_inputs
from tests.ops.attention.attention_check import to_float64
from tests.ops.attention.attention_check import training_step
from tests.ops.compiled_programs import num_loops
from tests.ops.compiled_programs import program
from tests.tracing import traced

LENGTH, SCALE = 21, 0.5
jax_only = pytest.mark.backend("jax", reason="its transformations.")
tensorflow_only = pytest.mark.backend(
    "tensorflow", reason="JAX makes the custom calls itself."
)


@pytest.fixture(autouse=True)
def switches():
    """Both are global, and Keras' cannot be set back by its own functions."""
    yield
    set_fused_attention("auto")
    global_state.set_global_attribute("flash_attention", None)
    assert keras.config.is_flash_attention_enabled() is None


@pytest.fixture(autouse=True)
def blocks_of_16(monkeypatch):
    monkeypatch.setattr(attention_shapes, "DENSE_BLOCK", 16)
    monkeypatch.setattr(attention_shapes, "BANDED_BLOCK", 16)


def query_of(dtype="bfloat16", shape=(2, LENGTH, 3, 64)):
    return keras.KerasTensor(shape, dtype)


# === When it is used ===


def test_a_gpu_that_is_given_has_the_kernels():
    assert not fused.is_fused(query_of())
    with compile_target("gpu"):
        for dtype in ("bfloat16", "float16"):
            for head_dim in (8, 64, 96, 128):
                assert fused.is_fused(query_of(dtype, (2, 5, 3, head_dim)))


def test_keras_switch_forbids_them():
    keras.config.disable_flash_attention()
    with compile_target("gpu"):
        assert not fused.is_fused(query_of())


def test_keras_switch_lets_them_come_back():
    keras.config.disable_flash_attention()
    keras.config.enable_flash_attention()
    with compile_target("gpu"):
        assert fused.is_fused(query_of())


def test_the_kernels_can_be_demanded_or_forbidden():
    with compile_target("gpu"):
        for choice in (True, False, "auto"):
            set_fused_attention(choice)
            assert fused.is_fused(query_of()) is bool(choice)


def test_another_choice_raises():
    with pytest.raises(
        ValueError,
        match=r"^choice must be 'auto', True or False\. Received: "
        r"choice='always'\. Use 'auto' to let the device decide\.$",
    ):
        set_fused_attention("always")


def assert_obstacle(query, obstacle, **arguments):
    """It is an error where they are demanded, and else they are not used."""
    assert not fused.is_fused(query, **arguments)
    message = (
        f"Fused attention must have {obstacle}. Call keras_gpt3.ops."
        "set_fused_attention('auto') to use the loop."
    )
    assert "\n" not in message
    set_fused_attention(True)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fused.is_fused(query, **arguments)


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_another_platform_has_none(platform):
    with compile_target(platform):
        assert_obstacle(
            query_of(), f"an NVIDIA GPU. Received: platform='{platform}'"
        )


def test_single_precision_has_none():
    with compile_target("gpu"):
        assert_obstacle(
            query_of("float32"),
            "bfloat16 or float16. Received: dtype='float32'",
        )


@pytest.mark.parametrize("head_dim", [4, 60, 136, 256])
def test_heads_of_some_sizes_have_none(head_dim):
    with compile_target("gpu"):
        assert_obstacle(
            query_of(shape=(2, 5, 3, head_dim)),
            "a head_dim of at most 128 that 8 divides. Received: "
            f"head_dim={head_dim}",
        )


def test_segments_have_none():
    with compile_target("gpu"):
        assert_obstacle(
            query_of(),
            "one document a row. Received: segment_ids",
            has_segments=True,
        )


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of some compute capability, as its backend describes it."""

    def has(capability, platform="cuda 12090"):
        monkeypatch.setattr(fused, "target_platform", lambda: "gpu")
        client = types.SimpleNamespace(platform_version=platform)
        device = types.SimpleNamespace(
            client=client, compute_capability=capability
        )
        pair = tuple(map(int, capability.split(".")))
        details = {"compute_capability": pair} if "cuda" in platform else {}
        if keras.config.backend() == "jax":
            monkeypatch.setattr("jax.local_devices", lambda: [device])
        else:
            config = "tensorflow.config"
            monkeypatch.setattr(f"{config}.get_visible_devices", lambda _: "0")
            monkeypatch.setattr(
                f"{config}.experimental.get_device_details", lambda _: details
            )
        monkeypatch.setattr(
            "keras_gpt3.ops.attention.cudnn_attention.agrees_with_loop",
            lambda dtype, head_dim: (dtype, head_dim) != ("float16", 64),
        )

    return has


@pytest.mark.parametrize("capability", ["8.0", "9.0", "10.3"])
def test_newer_gpus_have_them(capability, gpu):
    gpu(capability)
    assert fused.is_fused(query_of())


def test_older_gpus_have_none(gpu):
    gpu("7.5")
    assert_obstacle(
        query_of(),
        "a GPU of compute capability 8.0 or more. Received: compute "
        "capability 7.5",
    )


def test_gpus_of_others_have_none(gpu):
    gpu("9.0", platform="rocm 60000")
    assert_obstacle(
        query_of(),
        "a GPU of compute capability 8.0 or more. Received: compute "
        "capability 0.0",
    )


@tensorflow_only
def test_an_unknown_shape_has_none(gpu):
    gpu("9.0")
    assert_obstacle(
        query_of(shape=(None, LENGTH, 3, 64)),
        "a known shape. Received: shape=(None, 21, 3, 64)",
    )


@tensorflow_only
def test_kernels_that_give_something_else_are_not_used(gpu):
    gpu("9.0")
    assert_obstacle(
        query_of("float16"),
        "kernels that give what the loop gives. Received: a GPU or a "
        "TensorFlow where they do not",
    )


def test_the_log_of_a_gpu_says_once_why_not(caplog):
    fused.log_once.cache_clear()
    caplog.set_level(logging.INFO, logger="keras_gpt3")
    assert not fused.is_fused(query_of("float32"))
    assert caplog.messages == []
    with compile_target("gpu"):
        for _ in range(2):
            assert not fused.is_fused(query_of("float32"))
    assert caplog.messages == [
        "Attention runs as a loop: fused kernels need bfloat16 or float16. "
        "Received: dtype='float32'."
    ]


# === What it computes, with slow stand-ins for the kernels ===


@pytest.fixture(params=[0.0])
def stand_ins(request, monkeypatch):
    """Kernels that run everywhere, and add a number to their output."""
    more = request.param
    fused._jitted_choice.cache_clear()
    request.addfinalizer(fused._jitted_choice.cache_clear)
    if keras.config.backend() == "jax":
        monkeypatch.setattr(
            cudnn_attention,
            "kernel_attention",
            functools.partial(_slow_kernel, more=more),
        )
        return

    def forward(query, key, value, window, scale):
        output, log_sums = attention_loop.loop_forward(
            query, key, value, (), window, scale
        )
        return output + more, log_sums

    def backward(query, key, value, window, scale, *saved):
        return attention_loop.loop_backward(
            query, key, value, (), window, scale, *saved
        )

    module = "keras_gpt3.ops.attention.cudnn_attention"
    monkeypatch.setattr(f"{module}.cudnn_forward", forward)
    monkeypatch.setattr(f"{module}.cudnn_backward", backward)


def _slow_kernel(query, key, value, window, scale, more):
    """JAX' own attention by XLA, whose pull-back saves other arrays."""
    import jax

    return more + jax.nn.dot_product_attention(
        query,
        key,
        value,
        scale=scale,
        is_causal=True,
        local_window_size=None if window is None else (window - 1, 0),
        implementation="xla",
    )


def attend(query, key, value, padding_mask=None, window=None):
    return fused.fused_attention(
        query, key, value, padding_mask, window=window, scale=SCALE
    )


def all_visible():
    return np.ones((2, LENGTH), "bool")


def padded():
    """A query sees itself: of none JAX' attention takes the mean."""
    mask = all_visible()
    mask[1, 15:] = False
    return mask


@pytest.mark.parametrize("mask", [None, all_visible(), padded()])
@pytest.mark.parametrize("window", [None, 1, 7])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.quick_cases(4)
def test_equals_slow_attention(dtype, window, mask, stand_ins):
    tensors, upstream, _ = random_inputs(LENGTH, dtype)
    masks = [] if mask is None else [ops.convert_to_tensor(mask)]
    step = training_step(functools.partial(attend, window=window))
    assert_equals_slow_attention(
        traced(step, whole=True)(*tensors, upstream, *masks),
        tensors,
        upstream,
        window=window,
        scale=SCALE,
        padding_mask=mask,
    )


@pytest.mark.parametrize("stand_ins", [1.0], indirect=True)
def test_batches_without_padding_get_what_the_kernels_give(stand_ins):
    tensors, upstream, _ = random_inputs(LENGTH)
    step = traced(attend, whole=True)
    for mask, more in ((all_visible(), 1.0), (padded(), 0.0)):
        output = step(*tensors, ops.convert_to_tensor(mask))
        exact = exact_attention(tensors, scale=SCALE, padding_mask=mask)
        np.testing.assert_allclose(
            to_float64(output), exact + more, atol=TOLERANCES["float32"]
        )


@jax_only
@pytest.mark.parametrize("masks", [(all_visible(),) * 2, (padded(),) * 2])
def test_a_checkpoint_computes_it_again(masks, stand_ins):
    import jax

    tensors, upstream, _ = random_inputs(LENGTH)
    step = traced(training_step(jax.checkpoint(lambda *x: attend(*x))))
    assert_equals_slow_attention(
        step(*tensors, upstream, masks[0]),
        tensors,
        upstream,
        scale=SCALE,
        padding_mask=masks[0],
    )


@jax_only
@pytest.mark.parametrize("stand_ins", [0.0, 1.0], indirect=True)
@pytest.mark.parametrize(
    "masks",
    [
        (all_visible(), all_visible()),
        (all_visible(), padded()),
        (padded(), padded()),
    ],
)
@pytest.mark.parametrize("wrap", [lambda f: f, keras.remat])
@pytest.mark.quick_cases(3)
def test_parts_of_a_batch_choose_together(wrap, masks, stand_ins, request):
    """Mapped over parts, each with a mask, as over micro-batches."""
    import jax

    more = request.node.callspec.params["stand_ins"]
    tensors, upstream, _ = random_inputs(LENGTH)
    both = [np.stack([x, x[::-1]]) for x in (*tensors, upstream)]
    # A new function each time: JAX keeps what it traced of an old one.
    function = wrap(lambda *x: attend(*x))
    step = jax.jit(jax.vmap(training_step(function)))
    results = step(*both, np.stack(masks))
    is_padded = not np.all(masks)
    for part in range(2):
        inputs = [x[part] for x in both]
        output, *gradients = [x[part] for x in results]
        output = output - (0.0 if is_padded else more)
        assert_equals_slow_attention(
            (output, *gradients),
            inputs[:3],
            inputs[3],
            scale=SCALE,
            padding_mask=masks[part],
        )


@jax_only
def test_a_part_with_padding_hides_keys_from_all_parts():
    import jax

    from keras_gpt3.ops.attention import jax_kernel_or_loop

    for masks in ([all_visible(), padded()], [all_visible()] * 2):
        found = jax.vmap(jax_kernel_or_loop.all_visible)(np.stack(masks))
        assert found.tolist() == [bool(np.all(masks))] * 2


# === The program ===


@tensorflow_only
@pytest.mark.parametrize("masked", [False, True])
def test_the_program_calls_cudnn_and_keeps_the_loop_for_padding(masked):
    x = ops.ones((2, LENGTH, 2, 8), "bfloat16")
    mask = ops.convert_to_tensor(all_visible())
    with compile_target("gpu"):
        text = program(
            training_step(
                lambda q, k, v, mask=None: causal_attention(
                    q, k, v, padding_mask=mask
                )
            ),
            *[x] * 4,
            *[mask] * masked,
        )
    assert text.count('"__cudnn$fmhaSoftmax"') == 1
    assert text.count('"__cudnn$fmhaSoftmaxBackward"') == 1
    assert text.count(" while(") == 2 * masked
    assert text.count(" conditional(") == 2 * masked


def test_the_program_of_segments_has_the_loop_alone():
    x = ops.ones((2, LENGTH, 2, 8), "bfloat16")
    ids = ops.ones((2, LENGTH), "int32")
    with compile_target("gpu"):
        text = program(
            training_step(
                lambda q, k, v, ids: causal_attention(q, k, v, segment_ids=ids)
            ),
            *[x] * 4,
            ids,
        )
    assert "fmha" not in text
    assert num_loops(text) == 2


@jax_only
@pytest.mark.parametrize("masked", [False, True])
def test_the_program_has_a_condition_where_a_mask_is_given(masked, stand_ins):
    x = ops.ones((2, LENGTH, 2, 8), "bfloat16")
    mask = ops.convert_to_tensor(all_visible())
    with compile_target("gpu"):
        text = program(training_step(attend), *[x] * 4, *[mask] * masked)
    assert text.count("stablehlo.while") == 2 * masked
    assert text.count("stablehlo.case") == 2 * masked
