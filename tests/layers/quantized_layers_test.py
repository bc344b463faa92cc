"""What says how a layer is quantized, where it is saved and built again."""

import re

import keras
import numpy as np
import pytest
from keras.quantizers import GPTQConfig
from keras.quantizers import Int4QuantizationConfig
from keras.quantizers import Int8QuantizationConfig

from keras_gpt3.layers import DecoderBlock
from keras_gpt3.layers import PositionEmbedding
from keras_gpt3.layers.quantized_layers import Dense
from keras_gpt3.layers.quantized_layers import QuantizedPolicyMap
from keras_gpt3.layers.quantized_layers import floats_made
from keras_gpt3.layers.quantized_layers import floats_made_once
from keras_gpt3.layers.quantized_layers import quantized_as
from keras_gpt3.layers.quantized_layers import quantized_policy
from tests.small_gpt3 import quantize

WEIGHTS_ALONE = Int8QuantizationConfig(activation_quantizer=None)


# === Dense ===


def dense(**arguments):
    layer = Dense(3, **arguments)
    layer.build((None, 4))
    return layer


def test_a_kernel_that_was_not_calibrated_is_not_saved():
    layer = dense(name="up")
    layer.quantize("gptq", config=GPTQConfig(None, None, group_size=2))
    message = (
        "A kernel in mode gptq must be calibrated to be saved. Received: up, "
        "which is not. Quantize the model, not the layer by itself."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        layer.save_own_variables({})


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("mode", ["gptq/4/2", "gptq/8/-1", "awq/4/2"])
def test_all_variables_of_a_calibrated_kernel_are_saved(mode, use_bias):
    generator = np.random.default_rng(0)

    def made():
        return dense(dtype=f"{mode}_from_float32", use_bias=use_bias)

    layer, copy, stored = made(), made(), {}
    for variable in layer.variables:
        variable.assign(generator.integers(1, 9, size=variable.shape))
    if not mode.endswith("-1"):
        layer.g_idx.assign([0, 0, 1, 1])
    else:
        layer.g_idx.assign([0, 0, 0, 0])
    layer.save_own_variables(stored)
    assert len(stored) == len(layer.variables)
    copy.load_own_variables({k: np.array(x) for k, x in stored.items()})
    for one, other in zip(layer.variables, copy.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    inputs = generator.normal(size=(2, 4)).astype("float32")
    np.testing.assert_array_equal(layer(inputs), copy(inputs))


# === Floats ===


MODES = ("int8", "int4/-1", "int4/2", "gptq/4/2", "gptq/8/2", "awq/4/2")


def randomized(mode, **arguments):
    """A dense layer in a mode, its input not rounded, with random weights."""
    if mode.startswith("int"):
        config = {
            "int8": Int8QuantizationConfig,
            "int4": Int4QuantizationConfig,
        }
        config = config[mode[:4]](activation_quantizer=None)
        config.block_size = int(mode[5:] or -1)
        arguments["quantization_config"] = config
    # An odd number of columns: two share a byte.
    layer = dense(dtype=f"{mode}_from_float32", **arguments)
    generator = np.random.default_rng(0)
    for variable in layer.variables:
        if variable.name == "g_idx":
            variable.assign([0, 0, 1, 1])
        else:
            variable.assign(generator.integers(1, 99, size=variable.shape))
    return layer


INPUTS = np.random.default_rng(1).normal(size=(2, 4)).astype("float32")


@pytest.mark.parametrize("mode", MODES)
def test_the_floats_are_those_that_keras_multiplies_with(mode):
    layer = randomized(mode)
    product = INPUTS @ np.asarray(layer.float_weights()) + layer.bias
    np.testing.assert_allclose(product, layer(INPUTS), rtol=1e-5)


def test_where_keras_does_more_than_a_product_there_are_no_floats():
    rounding, adapted, learning = dense(), randomized("int8"), dense()
    rounding.quantize("int8")
    adapted.enable_lora(2)
    learning.quantize("float8")
    for layer in (rounding, adapted, learning):
        assert layer.float_weights() is None
    not_calibrated = dense()
    config = GPTQConfig(None, None, group_size=2)
    not_calibrated.quantize("gptq", config=config)
    assert not_calibrated.float_weights() is None


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_block_makes_floats_once_for_a_loop(use_bias):
    block = DecoderBlock(2, 8, use_bias=use_bias)
    block.build((None, None, 4))
    layer, plain = block.query_key_value, block.attention_output
    layer.quantize("int8", config=WEIGHTS_ALONE)
    plain.kernel.assign(np.eye(4))
    states = INPUTS[None]
    before = block(states)
    with floats_made_once([layer, plain]):
        assert floats_made(layer) is not None
        assert floats_made(plain) is None  # Its own kernel is floats.
        layer._kernel.assign(np.zeros((4, 12)))
        np.testing.assert_allclose(block(states), before, atol=1e-6)
    assert floats_made(layer) is None
    assert np.any(np.abs(block(states) - before) > 1e-5)


# === Policies ===


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_one_type_is_that_of_all_layers(dtype):
    assert quantized_as(dtype, "a") == {"dtype": dtype}


@pytest.mark.parametrize(
    ("path", "name", "config"),
    [("a/b", "int8_from_float32", WEIGHTS_ALONE), ("a", "float32", None)],
)
def test_a_map_is_looked_up(path, name, config):
    policies = QuantizedPolicyMap("float32", configs={"a/b": WEIGHTS_ALONE})
    policies["a/b"] = "int8_from_float32"
    found = quantized_as(policies, path)
    assert found["dtype"].name == name
    assert found["quantization_config"] is config


def test_a_map_of_keras_says_nothing_of_what_reaches_a_layer():
    policies = keras.dtype_policies.DTypePolicyMap("float32")
    policies["a"] = "int8_from_float32"
    assert quantized_as(policies, "a")["quantization_config"] is None


def test_a_layer_that_is_not_quantized_keeps_its_policy():
    layer = PositionEmbedding(8, hidden_dim=4, dtype="bfloat16")
    assert quantized_policy(layer).name == "bfloat16"


def test_policies_that_a_user_mapped_stay():
    policies = keras.dtype_policies.DTypePolicyMap("bfloat16")
    policies["one/query_key_value"] = "float32"
    block = DecoderBlock(2, 8, dtype=policies, name="one")
    block.build((None, None, 4))
    assert quantized_policy(block) is policies
    block.attention_output.quantize("int8")
    found = quantized_policy(block)
    assert found.default_policy.name == "bfloat16"
    assert {path: x.name for path, x in found.items()} == {
        "one/query_key_value": "float32",
        "one/attention_output": "int8_from_bfloat16",
    }


def test_what_is_no_config_of_a_quantization_raises():
    config = QuantizedPolicyMap("float32").get_config()
    config["configs"] = {"a": 4}
    message = (
        "configs must be configs of a quantization. Received: configs['a']=4. "
        "Use what get_config gave."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        QuantizedPolicyMap.from_config(config)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
def test_a_quantized_block_of_another_model_survives_saving(tmp_path):
    symbol = keras.Input((5, 16))
    model = keras.Model(symbol, DecoderBlock(2, 32)(symbol))
    quantize(model, config=WEIGHTS_ALONE)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(2, 5, 16)).astype("float32")
    np.testing.assert_array_equal(copy(x), model(x))
    assert copy.layers[1].query_key_value.quantization_mode == "int8"
