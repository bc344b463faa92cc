import logging
import re

import keras
import numpy as np
import pytest

from keras_gpt3.data.completion_pairs import CompletionExamples
from keras_gpt3.training.finetuning.finetune import check_arguments
from keras_gpt3.training.finetuning.finetune import check_finite
from keras_gpt3.training.finetuning.finetune import check_trainable
from keras_gpt3.training.finetuning.recipe import FinetuningRecipe
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model


def frozen():
    model = small_model(num_layers=1)
    model.trainable = False
    return model


def adapted():
    model = small_model(num_layers=1)
    model.backbone.enable_lora(2)
    return model


@pytest.mark.parametrize(
    ("make", "rank", "message"),
    [
        (
            frozen,
            0,
            "A model must have weights to train. Received: 0 of them. Set "
            "model.trainable = True.",
        ),
        (
            adapted,
            0,
            "lora_rank must be that of the model's adapters. Received: "
            "lora_rank=0, a model with rank=2. Pass the same rank to "
            "train them on, or call merge_lora first.",
        ),
        (adapted, 3, "lora_rank must be that of the model's adapters. "),
        (
            lambda: quantize(small_model(num_layers=1), mode="int8"),
            0,
            "Weights must be floating-point numbers to be trained. Received: "
            "a model in int8. Train adapters with lora_rank, or load the "
            "model as it was before quantize.",
        ),
        (
            lambda: small_model(num_layers=1, dtype="float16"),
            0,
            "Weights must not be float16 to be trained: their range is too "
            "small. Received: ",
        ),
    ],
)
def test_what_cannot_be_trained_raises(make, rank, message):
    recipe = FinetuningRecipe(lora_rank=rank)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        check_trainable(make(), recipe)


@pytest.mark.parametrize(
    ("make", "rank"), [(adapted, 2), (frozen, 2), (small_model, 0)]
)
def test_what_can_be_trained_passes(make, rank):
    check_trainable(make(), FinetuningRecipe(lora_rank=rank))


@pytest.mark.parametrize(
    ("dtype", "rank", "warns"),
    [
        ("bfloat16", 0, True),
        ("bfloat16", 2, False),
        ("mixed_bfloat16", 0, False),
    ],
)
def test_weights_too_coarse_for_small_steps_are_told(
    dtype, rank, warns, caplog
):
    model = small_model(num_layers=1, dtype=dtype)
    with caplog.at_level(logging.WARNING, "keras_gpt3"):
        check_trainable(model, FinetuningRecipe(lora_rank=rank))
    assert ("Weights in bfloat16 lose steps" in caplog.text) == warns


def test_another_backend_raises(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(NotImplementedError, match="KERAS_BACKEND=jax. Use"):
        check_trainable(None, FinetuningRecipe())


@pytest.mark.parametrize(
    ("record", "wrong"),
    [
        ({"loss": np.nan}, "loss=nan"),
        ({"loss": 1.0, "val_loss": np.inf}, "val_loss=inf"),
    ],
)
def test_losses_must_be_finite(record, wrong):
    message = (
        f"Losses and weights must stay finite. Received: {wrong} in epoch 3. "
        "Lower the learning rate."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_finite(small_model(num_layers=1), record, epoch=2)


def test_weights_must_be_finite():
    model = small_model(num_layers=1)
    check_finite(model, {"loss": 1.0}, epoch=0)
    beta = model.backbone.final_norm.beta
    beta.assign(np.full(beta.shape, np.inf))
    with pytest.raises(ValueError, match="final_norm/beta in epoch 1. Lower"):
        check_finite(model, {"loss": 1.0}, epoch=0)


@pytest.mark.parametrize("name", ["examples", "validation", "recipe"])
def test_arguments_of_another_type_raise(name):
    pairs = [("a", " b")]
    arguments = {
        "examples": CompletionExamples(pairs, small_text_model().preprocessor),
        "recipe": FinetuningRecipe(),
    }
    received = {"epochs": 1} if name == "recipe" else pairs
    message = f"{name} must be .* Received: {name}=.*, a (list|dict). Pass"
    with pytest.raises(TypeError, match=message) as raised:
        check_arguments(**arguments | {name: received})
    assert "\n" not in str(raised.value)
