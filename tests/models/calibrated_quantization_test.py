"""Quantization to four bits that were calibrated on texts."""

import re

import keras
import numpy as np
import pytest

from keras_gpt3.training import AdamW
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_text_model

CALIBRATED = {
    "gptq": keras.quantizers.GPTQConfig,
    "awq": keras.quantizers.AWQConfig,
}


@pytest.fixture(scope="module")
def text_model():
    return small_text_model(num_layers=1)


def fails(function, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function()


@pytest.fixture(scope="module")
def taught():
    """A model that has learned a sentence, and its batch."""
    model = small_text_model()
    tokenizer = model.preprocessor.tokenizer
    ids = np.ravel(tokenizer.tokenize("hello world, the world said hello 12"))
    rows = np.stack([np.roll(ids, -i)[: LENGTH + 1] for i in range(len(ids))])
    batch = as_inputs(rows[:, :-1].copy()), rows[:, 1:].copy()
    model.compile(AdamW(2e-2))
    model.fit(*batch, batch_size=len(rows), epochs=90, verbose=0)
    return model, batch


def calibration(mode, tokenizer, **overrides):
    arguments = {
        "dataset": ["hello world, the world said hello 12"],
        "tokenizer": tokenizer,
        "num_samples": 8,
        "sequence_length": LENGTH,
        "group_size": 16,
    }
    return CALIBRATED[mode](**(arguments | overrides))


def copy_of(model):
    copy = small_text_model()
    copy.set_weights(model.get_weights())
    return copy


@pytest.mark.slow
@pytest.mark.parametrize("mode", CALIBRATED)
def test_four_calibrated_bits_keep_the_perplexity(mode, taught):
    model, (x, y) = taught
    before = model.evaluate(x, y, 32, verbose=0, return_dict=True)
    assert before["perplexity"] < 3
    copy = copy_of(model)
    config = calibration(mode, copy.preprocessor.tokenizer)
    quantize(copy, config=config)
    copy.compile(AdamW())
    after = copy.evaluate(x, y, 32, verbose=0, return_dict=True)
    assert after["perplexity"] == pytest.approx(before["perplexity"], rel=0.01)

    kernel = copy.backbone.decoder_blocks[1].feed_forward_output
    assert kernel.quantized_kernel.shape == (8, 32)  # Two of 16 in a byte.


@pytest.mark.slow
@pytest.mark.parametrize("mode", CALIBRATED)
def test_what_the_blocks_see_of_the_texts_decides_the_bits(mode, taught):
    model, _ = taught
    kernels = []
    for text in ("hello", "the world 12"):
        copy = copy_of(model)
        tokenizer = copy.preprocessor.tokenizer
        config = calibration(mode, tokenizer, dataset=[text])
        quantize(copy, mode=mode, config=config)
        block = copy.backbone.decoder_blocks[0]
        kernels.append(np.array(block.feed_forward_output.quantized_kernel))
    assert np.any(kernels[0] != kernels[1])


@pytest.mark.parametrize(
    "overrides, message",
    [
        (
            {"dataset": None},
            "A config for gptq must have a dataset to calibrate with. "
            "Received: dataset=None. Pass a list of texts as dataset, and "
            "model.preprocessor.tokenizer as tokenizer.",
        ),
        (
            {"dataset": "hello"},
            "A config for gptq must have a dataset to calibrate with. "
            "Received: dataset='hello'. Pass a list of texts as dataset, and "
            "model.preprocessor.tokenizer as tokenizer.",
        ),
        (
            {"sequence_length": 13},
            "sequence_length must be at most max_sequence_length=12 to "
            "calibrate. Received: sequence_length=13. Make the config with a "
            "lower one.",
        ),
    ],
)
def test_calibration_refuses_before_a_layer_is_converted(
    overrides, message, text_model
):
    config = calibration("gptq", "a tokenizer", **overrides)
    fails(lambda: text_model.quantize("gptq", config), message)
    fails(lambda: text_model.backbone.quantize(config=config), message)
    block = text_model.backbone.decoder_blocks[0]
    assert block.query_key_value.quantization_mode is None


def test_a_table_that_is_asked_for_is_told_of():
    model = small_text_model(num_layers=1)
    config = calibration("awq", model.preprocessor.tokenizer)
    with pytest.warns(UserWarning, match="Invalid quantization mode"):
        model.quantize(config=config, filters="token_embedding|query_key_value")


def test_gptq_refuses_weights_that_are_not_float32():
    backbone = small_backbone(num_layers=1, dtype="bfloat16")
    fails(
        lambda: backbone.quantize(config=calibration("gptq", "a tokenizer")),
        "Weights must be float32 to quantize in mode gptq. Received: dtype="
        "bfloat16. Load the model with dtype='mixed_bfloat16', or use awq.",
    )


def test_calibration_refuses_a_projection_of_the_embedding():
    backbone = small_backbone(num_layers=1, embedding_dim=8)
    config = calibration("awq", "a tokenizer")
    fails(
        lambda: backbone.quantize(config=config),
        "embedding_dim must be None to quantize in mode awq: what projects "
        "the embedding is in no block. Received: embedding_dim=8. Use int8 or "
        "int4.",
    )
