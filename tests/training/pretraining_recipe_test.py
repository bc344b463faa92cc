import dataclasses
import re

import pytest

from keras_gpt3.training import AdamW
from keras_gpt3.training import PretrainingRecipe

# Table 2.1: sequences of 2048 tokens in a batch, and the learning rate.
TABLE = {
    "gpt3_small_en": (256, 6.0e-4),
    "gpt3_medium_en": (256, 3.0e-4),
    "gpt3_large_en": (256, 2.5e-4),
    "gpt3_extra_large_en": (512, 2.0e-4),
    "gpt3_2.7b_en": (512, 1.6e-4),
    "gpt3_6.7b_en": (1024, 1.2e-4),
    "gpt3_13b_en": (1024, 1.0e-4),
    "gpt3_175b_en": (1536, 0.6e-4),
}


@pytest.mark.parametrize("preset", TABLE)
def test_a_preset_s_recipe_is_the_paper_s(preset):
    sequences, learning_rate = TABLE[preset]
    assert PretrainingRecipe.for_preset(preset) == PretrainingRecipe(
        batch_tokens=sequences * 2048,
        learning_rate=learning_rate,
        total_tokens=300e9,
        warmup_tokens=375e6,
        decay_tokens=260e9,
        weight_decay=0.1,
        clip_norm=1.0,
    )


def test_the_clocks_of_a_short_run_shrink_in_proportion():
    recipe = PretrainingRecipe.for_preset("gpt3_small_en", total_tokens=3e9)
    assert recipe.warmup_tokens == pytest.approx(3.75e6)
    assert recipe.decay_tokens == pytest.approx(2.6e9)
    assert recipe.num_steps == int(3e9 / 524_288)


def test_clocks_that_are_given_do_not_shrink():
    recipe = PretrainingRecipe.for_preset(
        "gpt3_small_en", total_tokens=3e9, warmup_tokens=1e9, learning_rate=1.0
    )
    assert recipe.warmup_tokens == 1e9
    assert recipe.decay_tokens == pytest.approx(2.6e9)
    assert recipe.learning_rate == 1.0


@pytest.mark.parametrize("step", [0, 1, 300, 900])
def test_the_state_of_a_run_is_a_closed_form_of_the_step(step):
    recipe = PretrainingRecipe(
        batch_tokens=100, learning_rate=1e-3, total_tokens=1e5
    )
    point = recipe.at(step)
    assert dataclasses.asdict(point) == {
        "tokens_seen": 100 * step,
        "batch_tokens": 100,
        "learning_rate": float(recipe.schedule(step)),
    }
    # 125 tokens of warm-up: the first batch is 80% of it.
    expected = {0: 0.8e-3, 900: 0.1e-3}.get(step)
    if expected:
        assert point.learning_rate == pytest.approx(expected, rel=1e-3)


def test_the_optimizer_has_the_recipe_s_numbers():
    recipe = PretrainingRecipe(
        64, 2e-3, total_tokens=1e5, weight_decay=0.3, clip_norm=0.5
    )
    optimizer = recipe.optimizer()
    assert type(optimizer) is AdamW
    assert optimizer.weight_decay == 0.3
    assert optimizer.global_clipnorm == 0.5
    assert float(optimizer.learning_rate) == recipe.at(0).learning_rate
    assert recipe.optimizer() is not optimizer


def test_a_run_shorter_than_a_batch_raises():
    message = (
        "total_tokens must be at least one batch. Received: total_tokens=9, "
        "batch_tokens=10. Train longer or on smaller batches."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        PretrainingRecipe(10, 1e-3, total_tokens=9)


@pytest.mark.parametrize(
    "field, value",
    [("learning_rate", 0), ("batch_tokens", -1), ("warmup_tokens", -5)],
)
def test_a_number_out_of_its_range_raises(field, value):
    fields = {"batch_tokens": 10, "learning_rate": 1e-3, field: value}
    with pytest.raises(ValueError, match=f"{field} must be .* {field}={value}"):
        PretrainingRecipe(**fields, total_tokens=1e6)


def test_an_unknown_preset_is_answered_with_the_known():
    with pytest.raises(ValueError, match="Use gpt3_small_en, the closest of"):
        PretrainingRecipe.for_preset("gpt3_smal_en")


def test_an_unknown_field_raises():
    with pytest.raises(TypeError, match="lerning_rate"):
        PretrainingRecipe.for_preset("gpt3_small_en", lerning_rate=1.0)
