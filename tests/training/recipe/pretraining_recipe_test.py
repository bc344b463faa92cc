import dataclasses
import functools
import math
import re

import numpy as np
import pytest

from keras_gpt3.data import BatchRamp
from keras_gpt3.training import AdamW
from keras_gpt3.training import PretrainingRecipe
from keras_gpt3.training.recipe.pretraining_recipe import RecipePoint
from tests.data.batch_ramp_test import line

# === Pretraining recipe ===


# Table 2.1: sequences of 2048 tokens in a batch, and the learning rate; then
# the ramp in tokens, "4-12 billion".
TABLE = {
    "gpt3_small_en": (256, 6.0e-4, 4e9),
    "gpt3_medium_en": (256, 3.0e-4, 5e9),
    "gpt3_large_en": (256, 2.5e-4, 6e9),
    "gpt3_extra_large_en": (512, 2.0e-4, 7e9),
    "gpt3_2.7b_en": (512, 1.6e-4, 7e9),
    "gpt3_6.7b_en": (1024, 1.2e-4, 8e9),
    "gpt3_13b_en": (1024, 1.0e-4, 9e9),
    "gpt3_175b_en": (1536, 0.6e-4, 12e9),
}
# 8 to 64 contexts of 10 tokens, in pairs, over 300 contexts.
GROWING = {
    "batch_tokens": 640,
    "learning_rate": 1e-3,
    "total_tokens": 9_999,
    "start_batch_tokens": 80,
    "ramp_tokens": 3_000,
    "sequence_length": 10,
    "batch_multiple": 2,
}


@pytest.mark.parametrize("preset", TABLE)
def test_a_preset_s_recipe_is_the_paper_s(preset):
    sequences, learning_rate, ramp_tokens = TABLE[preset]
    assert PretrainingRecipe.for_preset(preset) == PretrainingRecipe(
        batch_tokens=sequences * 2048,
        learning_rate=learning_rate,
        total_tokens=300e9,
        warmup_tokens=375e6,
        decay_tokens=260e9,
        weight_decay=0.1,
        clip_norm=1.0,
        start_batch_tokens=32_768,
        ramp_tokens=ramp_tokens,
        sequence_length=2048,
        batch_multiple=1,
    )


def test_the_clocks_of_a_short_run_shrink_in_proportion():
    recipe = PretrainingRecipe.for_preset("gpt3_small_en", total_tokens=3e9)
    assert recipe.warmup_tokens == pytest.approx(3.75e6)
    assert recipe.decay_tokens == pytest.approx(2.6e9)
    assert recipe.ramp_tokens == pytest.approx(4e7)


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


# === The growing batch ===


def test_a_run_is_what_a_loop_over_its_batches_sees():
    recipe = PretrainingRecipe(**GROWING)
    ramp = BatchRamp(64, 8, 300, multiple=2)
    assert recipe.batch_ramp == ramp
    seen, step = 0, 0
    while seen + ramp.size_at(step) * 10 <= recipe.total_tokens:
        point = recipe.at(step)
        assert point.tokens_seen == seen
        assert point.batch_tokens == ramp.size_at(step) * 10
        assert type(point.tokens_seen) is int
        assert point.learning_rate == float(recipe.schedule(step))
        seen, step = seen + point.batch_tokens, step + 1
    assert recipe.num_steps == step
    before = recipe.tokens_before(np.arange(step + 1))
    assert (before[0], before[-1]) == (0, seen)


def test_the_schedule_counts_the_tokens_of_the_growing_batch():
    recipe = PretrainingRecipe(**GROWING | {"warmup_tokens": 2_000})
    for step in (0, 5, 10):
        tokens = line(recipe.batch_ramp, step + 1) * 10
        cosine = 0.5 + 0.5 * math.cos(math.pi * tokens / recipe.decay_tokens)
        warmed = min(1.0, tokens / 2_000)
        expected = 1e-3 * warmed * (0.1 + 0.9 * cosine)
        # Float32.
        assert recipe.at(step).learning_rate == pytest.approx(
            expected, rel=1e-6
        )
    assert recipe.optimizer().get_config()["learning_rate"]["config"] == (
        recipe.schedule.get_config()
    )


@pytest.mark.parametrize(
    "ramp",
    [
        {},
        {"start_batch_tokens": 100, "ramp_tokens": 0},
        {"start_batch_tokens": 200, "ramp_tokens": 900},
    ],
)
def test_a_constant_batch_needs_no_contexts(ramp):
    recipe = PretrainingRecipe(200, 1e-3, total_tokens=1_999, **ramp)
    assert recipe.num_steps == 9
    assert recipe.at(7).tokens_seen == 1_400
    assert recipe.at(7).batch_tokens == 200
    assert recipe.schedule.get_config()["start_batch_tokens"] is None
    in_contexts = dataclasses.replace(recipe, sequence_length=20)
    assert in_contexts.batch_ramp.size_at(0) == 10
    assert in_contexts.num_steps == 9


def test_the_ramp_of_a_preset_follows_a_batch_of_ones_own():
    def ends(**overrides):
        recipe = PretrainingRecipe.for_preset("gpt3_small_en", **overrides)
        sizes = recipe.batch_ramp.size_at(np.array([0, 10**6]))
        return tuple(int(size) for size in sizes)

    assert ends() == (16, 256)
    assert ends(batch_tokens=40 * 2048) == (16, 40)
    assert ends(batch_tokens=16 * 2048) == (16, 16)
    assert ends(batch_tokens=4 * 2048) == (4, 4)
    assert ends(batch_tokens=640, sequence_length=64) == (10, 10)
    assert ends(start_batch_tokens=8 * 2048) == (8, 256)
    assert ends(start_batch_tokens=2048, batch_tokens=4 * 2048) == (1, 4)
    for off in (
        {"start_batch_tokens": None},
        {"ramp_tokens": None},
        {"ramp_tokens": 0},
    ):
        assert ends(**off) == (256, 256)


@pytest.mark.parametrize("use", ["batch_ramp", "num_steps", "plot", "at"])
def test_a_growing_batch_of_unknown_contexts_raises_where_it_is_counted(use):
    fields = GROWING | {"sequence_length": None, "batch_multiple": 1}
    recipe = PretrainingRecipe(**fields)
    message = (
        "sequence_length must be known to count a batch in contexts. Received: "
        "sequence_length=None. Pass the length of the model's contexts, 2048 "
        "in the paper."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        member = getattr(recipe, use)
        member(*{"at": [3]}.get(use, []))
    # The schedule follows the line, which needs no contexts.
    assert float(recipe.optimizer().learning_rate) > 0


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"ramp_tokens": None},
            "start_batch_tokens and ramp_tokens must be given together. "
            "Received: start_batch_tokens=80, ramp_tokens=None. Leave out both "
            "for a constant batch.",
        ),
        (
            {"start_batch_tokens": None},
            "start_batch_tokens and ramp_tokens must be given together. "
            "Received: start_batch_tokens=None, ramp_tokens=3000. Leave out "
            "both for a constant batch.",
        ),
        (
            {"batch_tokens": 630},
            "batch_tokens must fill a multiple of batch_multiple contexts. "
            "Received: batch_tokens=630, sequence_length=10, batch_multiple=2. "
            "Pass a multiple of 20, or your own sequence_length.",
        ),
        (
            {"start_batch_tokens": 85},
            "start_batch_tokens must fill a multiple of batch_multiple "
            "contexts. Received: start_batch_tokens=85, sequence_length=10, "
            "batch_multiple=2. Pass a multiple of 20, or your own "
            "sequence_length.",
        ),
        (
            {"sequence_length": None},
            "sequence_length must be given with batch_multiple, which counts "
            "contexts. Received: sequence_length=None, batch_multiple=2. Pass "
            "the length of the model's contexts.",
        ),
        (
            {"sequence_length": 0},
            "sequence_length must be an integer of at least 1. Received: "
            "sequence_length=0. Pass 1 or more.",
        ),
        (
            {"batch_multiple": 0},
            "batch_multiple must be an integer of at least 1. Received: "
            "batch_multiple=0. Pass 1 or more.",
        ),
        (
            {"start_batch_tokens": 660},
            "start_batch_tokens must be above 0 and at most batch_tokens. "
            "Received: start_batch_tokens=660, ramp_tokens=3000, "
            "batch_tokens=640. Use a part of a full batch, such as Appendix "
            "B's 32k tokens.",
        ),
    ],
)
def test_a_batch_that_cannot_grow_so_raises(changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        PretrainingRecipe(**GROWING | changes)


def test_a_batch_of_a_preset_that_is_no_whole_number_of_contexts_raises():
    with pytest.raises(ValueError, match="=1000, sequence_length=2048.*own"):
        PretrainingRecipe.for_preset("gpt3_small_en", batch_tokens=1000)


def test_a_step_before_the_first_raises():
    with pytest.raises(ValueError, match="^step must be an integer of at le"):
        PretrainingRecipe(10, 1e-3, total_tokens=1e5).at(-1)


def test_the_plot_of_a_recipe_is_its_figure(tmp_path):
    figure = PretrainingRecipe(**GROWING).plot(tmp_path / "recipe.svg")
    assert len(figure.axes) == 3
    assert (tmp_path / "recipe.svg").stat().st_size > 0


def test_an_unknown_preset_is_answered_with_the_known():
    with pytest.raises(ValueError, match="Use gpt3_small_en, the closest of"):
        PretrainingRecipe.for_preset("gpt3_smal_en")


def test_an_unknown_field_raises():
    with pytest.raises(TypeError, match="lerning_rate"):
        PretrainingRecipe.for_preset("gpt3_small_en", lerning_rate=1.0)


@pytest.mark.parametrize(
    "field, value",
    [
        ("batch_tokens", "1024"),
        ("learning_rate", None),
        ("total_tokens", "1e6"),
        ("clip_norm", float("nan")),
        ("weight_decay", True),
    ],
)
def test_what_is_no_finite_number_raises(field, value):
    fields = {"batch_tokens": 1024, "learning_rate": 1e-3, field: value}
    message = (
        f"{field} must be a finite number. Received: {field}={value!r}. Pass "
        "it without quotes, such as 1e6."
    )
    for make in (
        PretrainingRecipe,
        functools.partial(PretrainingRecipe.for_preset, "gpt3_small_en"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            make(**fields)


def test_clocks_in_proportion_are_not_off_by_a_rounding():
    recipe = PretrainingRecipe(1024, 1e-3, total_tokens=400_000)
    assert recipe.warmup_tokens == 500.0


def test_a_ramp_of_no_tokens_does_not_grow():
    fields = {"batch_tokens": 1024, "learning_rate": 1e-3}
    constant = {"start_batch_tokens": 1024, "ramp_tokens": 0.0}
    assert not PretrainingRecipe(**fields).grows
    assert not PretrainingRecipe(**fields, **constant).grows
    assert PretrainingRecipe(**GROWING).grows


# === Recipe point ===


def test_a_point_cannot_be_changed():
    point = RecipePoint(tokens_seen=2, batch_tokens=1, learning_rate=0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.tokens_seen = 3
