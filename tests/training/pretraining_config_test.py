import dataclasses
import re

import pytest

from keras_gpt3.training.recipe.config_file import read_config
from keras_gpt3.training.recipe.config_file import write_config
from keras_gpt3.training.recipe.pretraining_config import DataSection
from keras_gpt3.training.recipe.pretraining_config import ModelSection
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
from keras_gpt3.training.recipe.pretraining_config import RecipeSection

SECTIONS = [
    field.type
    for field in dataclasses.fields(PretrainingConfig)
    if dataclasses.is_dataclass(field.type)
]


@pytest.mark.parametrize(
    "values, message",
    [
        ({"seed": -1}, "seed must be an integer of at least 0. Received: "),
        (
            {"stop_after_minutes": 0.0},
            "stop_after_minutes must be above 0. Received: "
            "stop_after_minutes=0.0. Use None to do without.",
        ),
    ],
)
def test_what_is_wrong_outside_of_sections_raises(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        PretrainingConfig(
            "a", ModelSection("b"), DataSection({"c": "d"}), **values
        )


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
