"""The recipe of a pretraining run: the preset's, as far as it is not given."""

import dataclasses
import math

from keras_gpt3.argument_checks import echoed
from keras_gpt3.preset_loader import is_shipped
from keras_gpt3.training.recipe.pretraining_recipe import PretrainingRecipe

# Into how many steps at least a multiple of its batches leaves a ramp.
_RAMP_STEPS = 16


def run_recipe(section, preset, sequence_length):
    """Make the recipe of a run."""
    fields = {
        name: value
        for name, value in dataclasses.asdict(section).items()
        if value is not None
    }
    fields["sequence_length"] = sequence_length
    if is_shipped(preset):
        return PretrainingRecipe.for_preset(preset, **fields)
    for name in ("batch_tokens", "learning_rate"):
        if name not in fields:
            raise ValueError(
                f"recipe.{name} must be given where the preset has no recipe. "
                f"Received: model.preset={echoed(preset)}. Add it to the "
                "config."
            )
    return PretrainingRecipe(**fields)


def resolved_section(section, recipe):
    """Write down what a recipe came out as, for the config of its run."""
    fields = {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(section)
    }
    if recipe.start_batch_tokens is None:
        fields |= {
            "start_batch_tokens": recipe.batch_tokens,
            "ramp_tokens": 0.0,
        }
    return dataclasses.replace(section, **fields)


def common_multiple(recipe):
    """Rows that divide the first batch of a recipe and the largest."""
    first = recipe.start_batch_tokens or recipe.batch_tokens
    return math.gcd(first, recipe.batch_tokens) // recipe.sequence_length


def batch_multiple(section, recipe, micro_batch_size, num_parts):
    """Choose what every batch of a run is a multiple of.

    The default does not depend on the devices, where these allow it, so that
    the run can resume on others: the most that leaves the ramp its steps.
    """
    here = num_parts * (micro_batch_size or 1)
    multiple = section.batch_multiple
    if multiple is None:
        multiple = _default_multiple(recipe)
        multiple = here if multiple % here else multiple
    if multiple % here:
        raise ValueError(
            "replicas x micro_batch_size must divide recipe.batch_multiple. "
            f"Received: replicas={num_parts}, micro_batch_size="
            f"{micro_batch_size}, batch_multiple={multiple}. Use another "
            "micro-batch, or another number of replicas."
        )
    return multiple


def _default_multiple(recipe):
    most = common_multiple(recipe)
    if not recipe.grows:
        return most
    growth = recipe.batch_tokens - recipe.start_batch_tokens
    rows = growth // recipe.sequence_length
    return max(
        each
        for each in range(1, most + 1)
        if most % each == 0 and (each == 1 or rows // each >= _RAMP_STEPS)
    )
