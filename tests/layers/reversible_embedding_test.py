import keras
import numpy as np
import pytest
from keras import ops
from keras.quantizers import Int4QuantizationConfig
from keras.quantizers import Int8QuantizationConfig

from keras_gpt3.layers.embeddings import ReversibleEmbedding
from tests.gradients import gradients
from tests.layer_contract import check_layer_contract
from tests.tracing import at_once

IDS = np.array([[0, 4, 2]], "int32")
CONFIGS = {
    "int8": Int8QuantizationConfig(),
    "int8, weights alone": Int8QuantizationConfig(activation_quantizer=None),
    "int4": Int4QuantizationConfig(block_size=None),
    "int4 in groups": Int4QuantizationConfig(block_size=3),
}


def quantized(config, dtype="float32", lora=False):
    # An odd width: int4 packs two numbers into a byte.
    layer = ReversibleEmbedding(
        6, 7, embeddings_initializer="he_normal", dtype=dtype
    )
    layer.build()
    if lora:
        layer.enable_lora(2, lora_alpha=3.0, b_initializer="he_normal")
    layer.quantize(config.mode, config=config)
    return layer


def table(layer):
    """What a look-up gives for each id: Keras' own arithmetic."""
    return np.array(ops.cast(layer(np.arange(6, dtype="int32")), "float32"))


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_keeps_the_contract_of_layers():
    check_layer_contract(
        lambda **kwargs: ReversibleEmbedding(6, 4, **kwargs), IDS
    )


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_gradient_of_a_quantized_head_is_that_of_its_table(config, lora):
    layer, upstream = quantized(config, lora=lora), normal(2, 3, 6)
    (found,) = at_once(
        lambda x: gradients(
            lambda x: layer(x, reverse=True), x, upstream=upstream
        )
    )(normal(2, 3, 7))
    np.testing.assert_allclose(found, upstream @ table(layer), atol=1e-5)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_gradient_has_the_dtype_of_the_inputs(config):
    layer = quantized(config, "mixed_bfloat16")
    upstream = normal(2, 3, 6)
    states = ops.cast(normal(2, 3, 7), "bfloat16")
    (found,) = gradients(
        lambda x: layer(x, reverse=True), states, upstream=upstream
    )
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    # Seven products of eight bits each.
    np.testing.assert_allclose(
        ops.cast(found, "float32"), upstream @ table(layer), atol=0.1
    )


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_quantized_head_counts_the_adapter_of_its_table(config):
    layer, states = quantized(config, lora=True), normal(2, 3, 7)
    logits = layer(states, reverse=True)
    # Inputs of up to 3 are rounded to 127 steps.
    np.testing.assert_allclose(logits, states @ table(layer).T, atol=0.1)
    assert np.any(np.abs(np.array(layer.lora_embeddings_b)) > 0.1)
