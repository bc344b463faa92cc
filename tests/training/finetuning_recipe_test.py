import math
import re

import pytest

from keras_gpt3.training.finetuning.recipe import FinetuningRecipe


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
            "weight_decay must be a finite number at least 0. Received: "
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
