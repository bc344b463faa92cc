"""What a decoder block's weights are, and what reaches them."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.layers import DecoderBlock
from keras_gpt3.ops import op_compilation
from tests.gradients import gradients
from tests.layers.blocks import make_block
from tests.layers.blocks import make_hidden_states
from tests.layers.blocks import randomized
from tests.tracing import at_once

KERNELS = {
    "query_key_value",
    "attention_output",
    "feed_forward_intermediate",
    "feed_forward_output",
}


@pytest.fixture(autouse=True)
def without_compilation():
    """The operations' own tests compile them; here it would cost time."""
    with op_compilation(False):
        yield


@pytest.fixture
def hidden_states():
    return make_hidden_states()


def test_only_the_key_bias_has_no_gradient(hidden_states):
    """The softmax cancels it; all other parts of all weights learn."""
    block = randomized(make_block("dense"), hidden_states)

    def loss(*values):
        with keras.StatelessScope(zip(block.weights, values, strict=True)):
            return ops.sum(block(hidden_states) ** 2)

    step = at_once(lambda *values: gradients(loss, *values))
    found = step(*[w.value for w in block.weights])
    for weight, gradient in zip(block.weights, found, strict=True):
        rest = np.array(gradient)
        if weight.path.endswith("query_key_value/bias"):
            # Rounding noise, beside gradients up to 100.
            by_head = rest.reshape(3, 3, 4)  # (H, 3, D)
            assert np.abs(by_head[:, 1]).max() < 1e-3
            rest = np.delete(by_head, 1, axis=1)
        assert np.count_nonzero(rest) == rest.size, weight.path


def test_starts_with_the_deviations_it_is_told():
    block = DecoderBlock(4, intermediate_dim=256, residual_deviation=0.005)
    block.build((None, None, 64))
    for name in KERNELS:
        layer = getattr(block, name)
        residual = name in ("attention_output", "feed_forward_output")
        # 4096 draws and more: four standard errors are 4.5%.
        assert np.std(layer.kernel) == pytest.approx(
            0.005 if residual else 0.02, rel=0.045
        )
        assert not np.any(layer.bias)


def dense_layers(block):
    layers = block._flatten_layers()
    return [x for x in layers if isinstance(x, keras.layers.Dense)]


def test_every_matrix_is_the_kernel_of_a_dense_sublayer(hidden_states):
    block = make_block("dense")
    block(hidden_states)
    matrices = {w.path for w in block.weights if len(w.shape) > 1}
    assert matrices == {layer.kernel.path for layer in dense_layers(block)}
    assert {layer.name for layer in dense_layers(block)} == KERNELS


# Keras warns of each layer that holds nothing to quantize.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
def test_int8_reaches_every_kernel(hidden_states):
    symbol = keras.Input(hidden_states.shape[1:])
    block = randomized(make_block("banded"), hidden_states)
    model = keras.Model(symbol, block(symbol))
    exact = np.asarray(model(hidden_states))
    model.quantize("int8")
    for layer in dense_layers(block):
        assert layer.kernel.dtype == "int8"
    error = np.asarray(model(hidden_states)) - exact
    # 1/127 of the largest entry of each row, over four products.
    assert 0 < np.std(error) < 0.03 * np.std(exact)


def test_lora_reaches_every_kernel(hidden_states):
    block = randomized(make_block("banded"), hidden_states)
    before = block(hidden_states)
    for layer in dense_layers(block):
        layer.enable_lora(2)
        np.testing.assert_array_equal(block(hidden_states), before)
        layer.lora_kernel_b.assign(ops.ones(layer.lora_kernel_b.shape))
        after = block(hidden_states)
        assert np.any(after != before)
        before = after
