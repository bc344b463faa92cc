import copy
import dataclasses
import operator
import re

import pytest

from keras_gpt3.config_file import read_config
from keras_gpt3.config_file import write_config
from keras_gpt3.config_model import make_config
from keras_gpt3.training.recipe.pretraining_config import CheckpointSection
from keras_gpt3.training.recipe.pretraining_config import DataSection
from keras_gpt3.training.recipe.pretraining_config import DevicesSection
from keras_gpt3.training.recipe.pretraining_config import HealthSection
from keras_gpt3.training.recipe.pretraining_config import LogSection
from keras_gpt3.training.recipe.pretraining_config import ModelSection
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
from keras_gpt3.training.recipe.pretraining_config import RecipeSection
from keras_gpt3.training.recipe.pretraining_config import ValidationSection
from keras_gpt3.training.recipe.pretraining_recipe import PretrainingRecipe

SECTIONS = [
    CheckpointSection,
    DataSection,
    DevicesSection,
    HealthSection,
    LogSection,
    ModelSection,
    RecipeSection,
    ValidationSection,
]
SMALLEST = {
    "folder": "a",
    "model": {"preset": "b"},
    "data": {"shards": {"c": "d"}},
}


def make(path, value):
    """The smallest config with another value at a dotted path."""
    values = copy.deepcopy(SMALLEST)
    *sections, key = path.split(".")
    section = values
    for name in sections:
        section = section.setdefault(name, {})
    section[key] = value
    config = make_config(PretrainingConfig, values)
    return operator.attrgetter(path)(config)


@pytest.mark.parametrize(
    ("path", "minimum"),
    [
        ("seed", 0),
        ("model.micro_batch_size", 1),
        ("data.sequence_length", 1),
        ("recipe.batch_multiple", 1),
        ("devices.replicas", 1),
        ("devices.cpu_replicas", 1),
        ("validation.every_steps", 1),
        ("validation.max_batches", 1),
        ("validation.batch_size", 1),
        ("checkpoints.every_steps", 1),
        ("checkpoints.keep_last", 1),
        ("checkpoints.keep_every", 1),
        ("log.every_steps", 1),
        ("health.max_skipped_in_a_row", 1),
        ("health.spike_window", 4),
        ("health.max_rollbacks", 0),
    ],
)
def test_an_integer_below_its_minimum_raises(path, minimum):
    assert make(path, minimum) == minimum
    message = f"{path} must be greater than or equal to {minimum}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}.* Received: "):
        make(path, minimum - 1)


@pytest.mark.parametrize(
    "path",
    [
        "stop_after_minutes",
        "checkpoints.every_minutes",
        "log.peak_flops",
        "health.spike_deviations",
    ],
)
def test_a_number_that_is_not_above_0_raises(path):
    assert make(path, 0.5) == 0.5
    assert make(path, None) is None
    for value in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"^{path} must be greater than 0"):
            make(path, value)


@pytest.mark.parametrize(
    ("path", "value", "invariant"),
    [
        ("model.jit_compile", "yes", "a valid boolean or 'auto'"),
        ("log.peak_flops", "1 PF", "a valid number or 'measure'"),
        ("validation.every_steps", "often", "a valid integer or 'auto'"),
        ("checkpoints.keep_last", None, "a valid integer"),
        ("recipe.learning_rate", "high", "a valid number"),
        ("data.skip_batches", [0, "a"], "a valid integer"),
        ("model.rematerialization", True, "a valid string or a valid integer"),
    ],
)
def test_a_value_of_another_type_raises(path, value, invariant):
    with pytest.raises(ValueError, match=f"^{path}.* must be {invariant}. Rec"):
        make(path, value)


def test_what_may_be_left_open_is_none():
    for path in ("checkpoints.every_steps", "validation.every_steps"):
        assert make(path, None) is None


@pytest.mark.parametrize("kind", [PretrainingConfig, *SECTIONS])
def test_every_field_is_documented(kind):
    for field in dataclasses.fields(kind):
        assert f"\n        {field.name}: " in kind.__doc__, field.name


def test_a_whole_config_survives_its_file(tmp_path):
    path = tmp_path / "config.yaml"
    config = PretrainingConfig(
        "a",
        ModelSection("gpt3_small_en", {"num_layers": 2}, dtype="bfloat16"),
        DataSection({"b": "c", "a": "d"}, {"b": 0.6, "a": 0.4}),
        stop_after_minutes=5.5,
        recipe=RecipeSection(total_tokens=1e9, learning_rate=6e-4),
    )
    write_config(config, path)
    assert read_config(PretrainingConfig, path) == config


@pytest.mark.parametrize(
    "num_steps, every", [(10**6, 500), (400, 20), (50, 2), (3, 1)]
)
def test_the_interval_of_validation_follows_the_run(num_steps, every):
    section = ValidationSection()
    assert section.every_steps == "auto"
    assert section.resolved(num_steps).every_steps == every
    for given in (None, 7):
        section = ValidationSection(every_steps=given)
        assert section.resolved(num_steps).every_steps == given


def test_the_recipe_section_has_the_fields_of_pretraining_recipe():
    """All but the length of a context, which the data section has."""
    ours = {field.name for field in dataclasses.fields(RecipeSection)}
    theirs = {field.name for field in dataclasses.fields(PretrainingRecipe)}
    assert theirs - ours == {"sequence_length"}
    assert ours <= theirs
