"""The recipe that a config asks for, resolved for the devices at hand."""

import dataclasses

from keras_gpt3.echoed_value import echoed
from keras_gpt3.preset_loader import is_shipped
from keras_gpt3.training.pretraining_recipe import PretrainingRecipe


def run_recipe(section, preset, sequence_length):
    """Makes the recipe of a run."""
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
    """Writes down what a recipe came out as, for the config of its run."""
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


def batch_multiple(section, micro_batch_size, num_replicas):
    """Chooses what every batch of a run is a multiple of."""
    rows = 1 if micro_batch_size is None else micro_batch_size
    here = num_replicas * rows
    multiple = section.batch_multiple
    multiple = here if multiple is None else multiple
    if multiple % here:
        raise ValueError(
            "replicas x micro_batch_size must divide recipe.batch_multiple. "
            f"Received: replicas={num_replicas}, micro_batch_size="
            f"{micro_batch_size}, batch_multiple={multiple}. Use another "
            "micro-batch, or another number of replicas."
        )
    return multiple
