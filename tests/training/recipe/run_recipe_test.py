import dataclasses
import re

import pytest

from keras_gpt3.training.recipe.pretraining_config import RecipeSection
from keras_gpt3.training.recipe.pretraining_recipe import PretrainingRecipe
from keras_gpt3.training.recipe.run_recipe import batch_multiple
from keras_gpt3.training.recipe.run_recipe import run_recipe


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"total_tokens": 3e9},
        {"batch_tokens": 2**17, "learning_rate": 1e-3, "batch_multiple": 2},
        {"ramp_tokens": 0.0, "clip_norm": 0.5, "weight_decay": 0.0},
        {"warmup_tokens": 0.0, "decay_tokens": 1e9},
    ],
)
def test_what_a_section_leaves_out_is_the_preset_s(fields):
    received = run_recipe(RecipeSection(**fields), "gpt3_small_en", 1024)
    assert received == PretrainingRecipe.for_preset(
        "gpt3_small_en", sequence_length=1024, **fields
    )


def test_a_folder_has_no_recipe_so_the_section_is_all():
    section = RecipeSection(3e6, batch_tokens=4096, learning_rate=1e-3)
    assert run_recipe(section, "some/folder", 64) == PretrainingRecipe(
        batch_tokens=4096,
        learning_rate=1e-3,
        total_tokens=3e6,
        sequence_length=64,
    )


@pytest.mark.parametrize("missing", ["batch_tokens", "learning_rate"])
def test_a_folder_without_what_a_preset_would_say_raises(missing):
    fields = {"batch_tokens": 4096, "learning_rate": 1e-3}
    del fields[missing]
    message = (
        f"recipe.{missing} must be given where the preset has no recipe. "
        "Received: model.preset='some/folder'. Add it to the config."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run_recipe(RecipeSection(3e6, **fields), "some/folder", 64)


PAPER = PretrainingRecipe.for_preset("gpt3_small_en", sequence_length=2048)
CONSTANT = PretrainingRecipe(12 * 64, 1e-3, sequence_length=64)
GROWING = {"start_batch_tokens": 4 * 64, "ramp_tokens": 1e4}


@pytest.mark.parametrize(
    "recipe, own, micro_batch_size, replicas, expected",
    [
        # All rows: any devices that divide the batch may follow.
        (CONSTANT, None, None, 1, 12),
        (CONSTANT, None, 3, 2, 12),
        # A ramp from 16 rows to 256 keeps 16 steps, and not only 15.
        (PAPER, None, None, 1, 8),
        (PAPER, None, None, 4, 8),
        (PAPER, None, 4, 4, 16),
        (dataclasses.replace(CONSTANT, **GROWING), None, None, 1, 1),
        (CONSTANT, 12, 3, 2, 12),
        (CONSTANT, 6, 3, 2, 6),
    ],
)
def test_batches_are_multiples_of_what_all_replicas_take_at_once(
    recipe, own, micro_batch_size, replicas, expected
):
    section = RecipeSection(batch_multiple=own)
    received = batch_multiple(section, recipe, micro_batch_size, replicas)
    assert received == expected
    dataclasses.replace(recipe, batch_multiple=received)


@pytest.mark.parametrize(
    "micro_batch_size, replicas", [(None, 5), (2, 4), (24, 1)]
)
def test_devices_that_do_not_divide_the_run_s_multiple_raise(
    micro_batch_size, replicas
):
    message = (
        "replicas x micro_batch_size must divide recipe.batch_multiple. "
        f"Received: replicas={replicas}, micro_batch_size={micro_batch_size}, "
        "batch_multiple=12. Use another micro-batch, or another number of "
        "replicas."
    )
    section = RecipeSection(batch_multiple=12)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        batch_multiple(section, CONSTANT, micro_batch_size, replicas)
