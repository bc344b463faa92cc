import gc
import re

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from keras_gpt3.cli.main import app
from keras_gpt3.cli.model_loading import check_tensorflow
from keras_gpt3.cli.model_loading import load_model
from tests.models.lora.lora_test import fill
from tests.models.lora.lora_test import states
from tests.small_gpt3 import small_text_model

# === Model loading ===


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    small_text_model().save_to_preset(folder)
    return folder


def test_a_model_comes_with_its_preprocessor_and_dtype(folder):
    model = load_model(folder, dtype="bfloat16")
    assert model.preprocessor is not None
    assert model.backbone.compute_dtype == "bfloat16"


@pytest.mark.parametrize("bits", ["int8", "int4"])
def test_weights_are_quantized_and_activations_are_not(folder, bits):
    # Keras collects garbage for each layer that it quantizes.
    gc.freeze()
    block = load_model(folder, quantize=bits).backbone.decoder_blocks[0]
    gc.unfreeze()
    kernel = keras.ops.convert_to_numpy(block.query_key_value._kernel)
    assert kernel.dtype == "int8"  # int4 packs two into one.
    assert block.query_key_value.quantization_mode == bits


def test_other_bits_raise(folder):
    message = (
        "What to quantize to must be int8 or int4. Received: quantize=int3. "
        "Leave it out to keep the weights as they are."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_model(folder, quantize="int3")


@pytest.mark.parametrize("bits", [None, "int8"])
def test_adapters_are_merged_before_weights_are_quantized(
    folder, bits, tmp_path
):
    model = load_model(folder)
    model.backbone.enable_lora(2)
    fill(model.backbone)
    model.backbone.save_lora_weights(tmp_path / "a.lora.h5")
    gc.freeze()
    loaded = load_model(folder, None, bits, tmp_path / "a.lora.h5")
    gc.unfreeze()
    assert loaded.backbone.lora_settings is None
    atol = 1e-5 if bits is None else 0.2
    np.testing.assert_allclose(
        states(loaded.backbone), states(model.backbone), atol=atol
    )


# === Tensorflow only ===


# The files that they name need not exist: the backend is checked first.
COMMANDS = {
    "finetune": ["--model", "m", "--data", "pairs.jsonl", "--out", "out"],
    "export": ["--model", "m", "out"],
    "serve": ["out"],
}
INSTEAD = {
    "finetune": ", or train with GPT3.fit",
}


@pytest.fixture
def on_jax(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")


@pytest.mark.parametrize("command", COMMANDS)
def test_another_backend_is_one_line_and_code_2(command, on_jax):
    result = CliRunner().invoke(app, [command, *COMMANDS[command]])
    assert result.exit_code == 2
    assert (result.stdout, result.stderr) == (
        "",
        f"keras-gpt3 {command} must run on Keras' TensorFlow backend. "
        "Received: KERAS_BACKEND=jax. Set KERAS_BACKEND=tensorflow"
        f"{INSTEAD.get(command, '')}.\n",
    )


def test_tensorflow_passes(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    check_tensorflow("serve")
