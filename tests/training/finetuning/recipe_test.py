import logging
import math
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

# === Finetuning checks ===


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
            lambda: quantize(
                small_model(num_layers=1), mode="int4", filters="feed_forward"
            ),
            0,
            "Weights must be floating-point numbers to be trained. Received: "
            "a model in int4. ",
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
    with pytest.raises(NotImplementedError, match="KERAS_BACKEND=jax. Und"):
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


_PASS_EXAMPLES = (
    "keras_gpt3.data.CompletionExamples(pairs, model.preprocessor)."
)
_PASS_RECIPE = "keras_gpt3.training.FinetuningRecipe(epochs=3) for instance."


@pytest.mark.parametrize("name", ["examples", "validation", "recipe"])
def test_arguments_of_another_type_raise(name):
    pairs = [("a", " b")]
    arguments = {
        "examples": CompletionExamples(pairs, small_text_model().preprocessor),
        "recipe": FinetuningRecipe(),
    }
    received = {"epochs": 1} if name == "recipe" else pairs
    what, kind, remedy = "CompletionExamples", "list", _PASS_EXAMPLES
    if name == "recipe":
        what, kind, remedy = "a FinetuningRecipe", "dict", _PASS_RECIPE
    message = (
        f"{name} must be {what}. Received: {name}={received}, a {kind}. Pass "
        f"{remedy}"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        check_arguments(**arguments | {name: received})


# === Finetuning recipe ===


def test_the_rate_warms_up_then_falls_along_a_cosine_to_a_tenth():
    recipe = FinetuningRecipe(learning_rate=1.0, warmup_fraction=0.1)
    schedule = recipe.schedule(num_steps=100)
    assert float(schedule(4)) == pytest.approx(0.5, rel=0.01)
    expected = 0.1 + 0.45 * (1 + math.cos(math.pi * 0.5))
    assert float(schedule(49)) == pytest.approx(expected, rel=1e-5)
    assert float(schedule(99)) == pytest.approx(0.1, rel=1e-5)


def test_the_optimizer_clips_and_decays_as_the_recipe_says():
    recipe = FinetuningRecipe(clip_norm=0.5, weight_decay=0.2)
    optimizer = recipe.optimizer(num_steps=10)
    assert optimizer.global_clipnorm == 0.5
    assert optimizer.weight_decay == 0.2


def test_adapters_learn_faster_than_all_weights_unless_a_rate_is_given():
    assert FinetuningRecipe().learning_rate == 2e-5
    assert FinetuningRecipe(lora_rank=4).learning_rate == 2e-4
    given = FinetuningRecipe(lora_rank=4, learning_rate=1e-3)
    assert given.learning_rate == 1e-3


def test_a_single_name_is_that_of_a_layer():
    recipe = FinetuningRecipe(lora_rank=1, lora_layers="attention_output")
    assert recipe.lora_layers == ("attention_output",)


def test_gradients_may_be_left_unclipped():
    assert FinetuningRecipe(clip_norm=None).optimizer(9).global_clipnorm is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "epochs must be an integer of at least 1. Received:"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1."),
        ({"lora_rank": -1}, "lora_rank must be an integer of at least 0."),
        ({"seed": -1}, "seed must be an integer of at least 0. Received:"),
        (
            {"micro_batch_size": 3},
            "micro_batch_size must divide batch_size. Received: "
            "micro_batch_size=3, batch_size=16. Pass a divisor.",
        ),
        ({"micro_batch_size": 0}, "micro_batch_size must be an integer of at"),
        (
            {"learning_rate": 0.0},
            "learning_rate must be a finite number above 0. Received: "
            "learning_rate=0.0. Rates are from 1e-6 to 1e-2 as a rule.",
        ),
        ({"learning_rate": math.inf}, "learning_rate must be a finite number"),
        ({"learning_rate": "a"}, "learning_rate must be a finite number above"),
        (
            {"weight_decay": -1},
            "weight_decay must be a finite number of at least 0. Received: "
            "weight_decay=-1. Use 0 for none.",
        ),
        ({"weight_decay": math.nan}, "weight_decay must be a finite number"),
        ({"weight_decay": None}, "weight_decay must be a finite number"),
        ({"clip_norm": 0}, "clip_norm must be a finite number above 0. "),
        (
            {"lora_rank": 1, "lora_alpha": math.inf},
            "lora_alpha must be a finite number above 0. Received: "
            "lora_alpha=inf. Leave it out for the rank.",
        ),
        (
            {"lora_rank": 1, "lora_layers": ()},
            "lora_layers must name at least one layer. Received: "
            "lora_layers=(). Leave it out for",
        ),
        ({"rematerialization": "x"}, "rematerialization must be 'none', "),
        (
            {"warmup_fraction": 1},
            "warmup_fraction must be from 0 to below 1. Received: "
            "warmup_fraction=1.",
        ),
        ({"layout": "dense"}, "layout must be one of ('packed', 'padded'). "),
        (
            {"lora_layers": ("query_key_value",)},
            "lora_layers must come with a lora_rank of at least 1. Received: "
            "lora_layers=('query_key_value',), lora_rank=0. Leave it out to ",
        ),
        (
            {"lora_alpha": 2},
            "lora_alpha must come with a lora_rank of at least 1. Received: ",
        ),
    ],
)
def test_numbers_out_of_range_raise(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        FinetuningRecipe(**fields)
