import json
import logging
import re

import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops.attention import attention_loop
from keras_gpt3.ops.attention import cudnn_attention
from keras_gpt3.ops.attention.cudnn_attention import agrees_with_loop
from keras_gpt3.ops.attention.cudnn_attention import cudnn_backward
from keras_gpt3.ops.attention.cudnn_attention import cudnn_forward
from tests.ops.compiled_programs import program

pytestmark = pytest.mark.backend(
    "tensorflow", reason="JAX makes the calls itself."
)
SHAPE = (2, 24, 3, 16)


def forward_and_backward(query, key, value, upstream, window=None, scale=0.25):
    inputs = (query, key, value)
    output, log_sums = cudnn_forward(*inputs, window, scale)
    saved = (output, log_sums, upstream)
    return output, *cudnn_backward(*inputs, window, scale, *saved)


def calls(window=None, dtype="bfloat16"):
    """The custom calls of a program: name, result shapes and config."""
    x = ops.ones(SHAPE, dtype)
    text = program(lambda *x: forward_and_backward(*x, window=window), *[x] * 4)
    found = [line for line in text.splitlines() if "custom-call(" in line]
    return [_parse(line) for line in found]


def _parse(line):
    name = re.search(r'custom_call_target="([^"]+)"', line)[1]
    results = line.split("custom-call(")[0].split("=", 1)[1]
    shapes = re.findall(r"\w+\[[\d,]*\]", results)
    config = line.split("backend_config=", 1)[1]
    decoder = json.JSONDecoder()
    config, _ = decoder.raw_decode(config)
    if isinstance(config, str):
        config = json.loads(config)
    return name, shapes, config["cudnn_fmha_backend_config"]


def test_a_step_is_two_calls_of_cudnn():
    forward, backward = calls()
    heads = "bf16[2,3,24,16]"
    assert forward[:2] == (
        "__cudnn$fmhaSoftmax",
        [heads, "f32[2,3,24]", "u8[0]"],
    )
    assert backward[:2] == (
        "__cudnn$fmhaSoftmaxBackward",
        [heads] * 3 + ["u8[0]"],
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("window", [None, 7])
def test_a_call_says_what_is_visible_and_how_scores_are_scaled(window, dtype):
    for _, _, config in calls(window, dtype):
        assert config["mask_type"] == "CAUSAL"
        assert config["sliding_window_length"] == (window or 0)
        assert config["fmha_scale"] == 0.25
        assert config["dropout_rate"] == 0.0
        scores = config["intermediate_tensor_shape"]
        assert scores["dimensions"] == ["2", "3", "24", "24"]
        assert (
            scores["element_type"]
            == {"bfloat16": "BF16", "float16": "F16"}[dtype]
        )


def product_shape(first, second, dimensions):
    """Axes of a product as XLA orders them: batch, then the rest of each."""
    batch = [first[int(i)] for i in dimensions["lhs_batch_dimensions"]]
    others = []
    for shape, side in ((first, "lhs"), (second, "rhs")):
        used = dimensions[f"{side}_batch_dimensions"]
        used = used + dimensions[f"{side}_contracting_dimensions"]
        others += [n for i, n in enumerate(shape) if str(i) not in used]
    return "".join(batch + others)


def test_the_products_fit_their_operands():
    """Letters as in the backbone; Q and K are both positions."""
    query, key = "BQHD", "BKHD"
    weights, output = "BHQK", "BQHD"
    forward, backward = (config for _, _, config in calls())

    def shape(config, name, first, second):
        dimensions = config[f"{name}_dot_dimension_numbers"]
        return product_shape(first, second, dimensions)

    assert shape(forward, "bmm1", query, key) == "BHQK"
    assert shape(forward, "bmm2", weights, key) == "BHQD"
    assert shape(backward, "bmm1_grad_gemm1", weights, query) == "BHKD"
    assert shape(backward, "bmm1_grad_gemm2", weights, key) == "BHQD"
    assert shape(backward, "bmm2_grad_gemm1", weights, output) == "BHKD"
    assert shape(backward, "bmm2_grad_gemm2", output, key) == "BHQK"


@pytest.fixture
def untried():
    agrees_with_loop.cache_clear()
    yield
    agrees_with_loop.cache_clear()


def test_without_a_gpu_the_calls_do_not_agree(untried, caplog):
    caplog.set_level(logging.WARNING, logger="keras_gpt3")
    assert not agrees_with_loop("bfloat16", 64)
    assert not agrees_with_loop("bfloat16", 64)
    (message,) = caplog.messages
    assert re.fullmatch(
        r"Attention runs as a loop: cuDNN's kernels do not work here for "
        r"bfloat16 with head_dim=64 \(.+\)\.",
        message,
    )
    assert "\n" not in message


@pytest.mark.parametrize(
    ("difference", "agrees"),
    [(0.01, True), (0.06, False), (float("nan"), False)],
)
def test_calls_agree_that_give_nearly_the_same(
    difference, agrees, untried, monkeypatch, caplog
):
    monkeypatch.setattr(
        cudnn_attention,
        "_difference",
        lambda dtype, head_dim, window: difference if window else 0.001,
    )
    assert agrees_with_loop("float16", 32) == agrees
    assert bool(caplog.messages) != agrees


def test_whatever_goes_wrong_the_loop_runs(untried, monkeypatch):
    def gone(*_):
        raise AttributeError("no such operation")

    monkeypatch.setattr(cudnn_attention, "_difference", gone)
    assert not agrees_with_loop("bfloat16", 64)


def test_the_trial_leaves_what_is_traced(untried, monkeypatch):
    def forward(*inputs):
        *inputs, window, scale = inputs
        return attention_loop.loop_forward(*inputs, (), window, scale)

    def backward(query, key, value, window, scale, *saved):
        return attention_loop.loop_backward(
            query, key, value, (), window, scale, *saved
        )

    monkeypatch.setattr(cudnn_attention, "_TRIED_ON", "CPU:0")
    monkeypatch.setattr(cudnn_attention, "cudnn_forward", forward)
    monkeypatch.setattr(cudnn_attention, "cudnn_backward", backward)
    seen = []

    @tf.function(jit_compile=True)
    def traced():
        seen.append(agrees_with_loop("bfloat16", 8))

    traced()
    assert seen == [True]
