"""A model in each mode of quantization, saved and loaded."""

import functools
import re

import keras
import numpy as np
import pytest
from keras import ops
from keras.quantizers import AbsMaxQuantizer
from keras.quantizers import AWQConfig
from keras.quantizers import Float8QuantizationConfig
from keras.quantizers import GPTQConfig
from keras.quantizers import Int4QuantizationConfig
from keras.quantizers import Int8QuantizationConfig

from keras_gpt3 import GPT3
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_text_model


def calibrated(config, **arguments):
    """A config whose calibration takes a second."""
    text = ["hello world, the world said hello 12"]
    tokenizer = small_text_model().preprocessor.tokenizer
    arguments = {"num_samples": 1, "sequence_length": LENGTH} | arguments
    return config(text, tokenizer, **arguments)


# A dtype, and a function that makes a config: some need a tokenizer.
MODES = {
    "int8": ("bfloat16", Int8QuantizationConfig),
    "int8, weights alone": (
        "float32",
        functools.partial(Int8QuantizationConfig, activation_quantizer=None),
    ),
    "float8": ("mixed_bfloat16", Float8QuantizationConfig),
    "int4": ("mixed_bfloat16", Int4QuantizationConfig),
    "int4, groups": (
        "float32",
        functools.partial(Int4QuantizationConfig, block_size=8),
    ),
    "int4, columns": (
        "bfloat16",
        functools.partial(Int4QuantizationConfig, block_size=None),
    ),
    "int4, rounded": (
        "float32",
        functools.partial(
            Int4QuantizationConfig,
            block_size=None,
            activation_quantizer=AbsMaxQuantizer(),
        ),
    ),
    "gptq": (
        "mixed_bfloat16",
        functools.partial(calibrated, GPTQConfig, group_size=8),
    ),
    "gptq, 8 bits": (
        "float32",
        functools.partial(calibrated, GPTQConfig, group_size=-1, weight_bits=8),
    ),
    "awq": (
        "bfloat16",
        functools.partial(
            calibrated, AWQConfig, group_size=8, num_grid_points=2
        ),
    ),
}
GROUPS = MODES["int4, groups"][1]
AWQ = MODES["awq"][1]


def outputs(model):
    x = model(small_batch()[0])
    return ops.convert_to_numpy(ops.cast(x, "float32"))


def same_model(one, other):
    """Asserts that weights, policies and outputs are the same, bit by bit."""
    # By path: a layer in float8 that is built so has its scales first.
    by_path = (sorted(m.variables, key=lambda v: v.path) for m in (one, other))
    for x, y in zip(*by_path, strict=True):
        assert (x.path, x.dtype) == (y.path, y.dtype)
        np.testing.assert_array_equal(
            *(ops.convert_to_numpy(ops.cast(v, "float32")) for v in (x, y))
        )
    np.testing.assert_array_equal(outputs(one), outputs(other))


@pytest.mark.parametrize("name", MODES)
@pytest.mark.quick_cases(4)
def test_a_preset_holds_every_mode(name, tmp_path):
    dtype, config = MODES[name]
    model = small_text_model(num_layers=1, dtype=dtype)
    before = outputs(model)
    quantize(model, config=config())
    assert np.any(outputs(model) != before)
    model.save_to_preset(tmp_path / "once")
    copy = GPT3.from_preset(tmp_path / "once")
    same_model(copy, model)
    copy.save_to_preset(tmp_path / "again")
    same_model(GPT3.from_preset(tmp_path / "again"), model)


def test_layers_may_be_in_several_modes(tmp_path):
    model = small_text_model(num_layers=1, dtype="mixed_bfloat16")
    model.quantize(config=MODES["int8"][1](), filters="embedding$|table")
    model.quantize(config=GROUPS(), filters="query_key_value")
    model.quantize(config=AWQ(), filters=lambda x: "output" in x.name)
    model.backbone.save(tmp_path / "backbone.keras")
    copy = keras.saving.load_model(tmp_path / "backbone.keras")
    same_model(copy, model.backbone)
    block = copy.decoder_blocks[0]
    names = {
        layer.name: layer.dtype_policy.name
        for layer in (*block._layers, copy.token_embedding)
        if layer.quantization_mode
    }
    assert names == {
        "token_embedding": "int8_from_mixed_bfloat16",
        "query_key_value": "int4/8_from_mixed_bfloat16",
        "attention_output": "awq/4/8_from_mixed_bfloat16",
        "feed_forward_output": "awq/4/8_from_mixed_bfloat16",
    }


def test_a_loaded_model_may_be_quantized_further(tmp_path):
    model = small_text_model(num_layers=1)
    model.quantize(config=GROUPS(), filters="output")
    model.save_to_preset(tmp_path / "once")
    copy = GPT3.from_preset(tmp_path / "once")
    copy.quantize(config=GROUPS(), filters="embedding$")
    copy.save_to_preset(tmp_path / "again")
    same_model(GPT3.from_preset(tmp_path / "again"), copy)


def test_saving_leaves_the_model_as_it_is():
    model = quantize(small_text_model(num_layers=1), config=GROUPS())
    names = [x.dtype_policy.name for x in model.backbone._flatten_layers()]
    model.backbone.get_config()
    after = [x.dtype_policy.name for x in model.backbone._flatten_layers()]
    assert after == names


def test_a_layer_that_cannot_be_saved_leaves_no_file(tmp_path):
    model = small_text_model(num_layers=1)
    dense = model.backbone.decoder_blocks[0].query_key_value
    dense.quantize("awq", config=AWQ())
    with pytest.raises(ValueError, match=r"decoder_block_0/query_key_value, "):
        model.save_to_preset(tmp_path / "preset")
    assert not list(tmp_path.iterdir())


def test_a_preset_whose_quantization_is_damaged_is_an_error(tmp_path):
    model = quantize(small_text_model(num_layers=1), config=GROUPS())
    model.save_to_preset(tmp_path)
    path = tmp_path / "config.json"
    text = path.read_text("utf-8").replace("Int4QuantizationConfig", "GPT3")
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match="^The files of a preset must be as "):
        GPT3.from_preset(tmp_path)


# === Training ===


def test_what_is_not_quantized_is_trained(tmp_path):
    model = quantize(small_text_model(num_layers=1), config=AWQ())
    before = {v.path: np.array(v) for v in model.variables}
    model.compile(keras.optimizers.SGD(1.0))
    model.train_on_batch(*small_batch())
    trained = {v.path for v in model.trainable_variables}
    changed = {
        v.path for v in model.variables if np.any(before[v.path] != np.array(v))
    }
    assert "token_embedding/embeddings" in changed
    assert not any(path.endswith("/kernel") for path in trained)
    assert changed == trained


@pytest.mark.parametrize("mode", ["gptq", "awq"])
def test_calibrated_kernels_take_no_adapter(mode):
    model = small_text_model(num_layers=1)
    model.quantize(config=MODES[mode][1](), filters="query_key_value")
    trainable = len(model.trainable_variables)
    message = (
        "A layer must be in mode int8, int4 or not quantized to get an "
        "adapter. Received: layer=decoder_block_0/query_key_value in "
        f"{mode}. Train the adapters on the model as it was, merge, then "
        "quantize."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.backbone.enable_lora(2)
    assert len(model.trainable_variables) == trainable
    model.backbone.enable_lora(2, ["attention_output"])
    assert len(model.trainable_variables) == 2
