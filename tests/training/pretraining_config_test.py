import dataclasses
import re

import pytest

from keras_gpt3.training import pretraining_config
from keras_gpt3.training.config_file import read_config
from keras_gpt3.training.config_file import write_config
from keras_gpt3.training.pretraining_config import DataSection
from keras_gpt3.training.pretraining_config import ModelSection
from keras_gpt3.training.pretraining_config import PretrainingConfig
from keras_gpt3.training.pretraining_recipe import PretrainingRecipe

SECTIONS = {
    name.removesuffix("Section"): getattr(pretraining_config, name)
    for name in dir(pretraining_config)
    if name.endswith("Section")
}
# What a section cannot be made without.
REQUIRED = {"Model": {"preset": "a"}, "Data": {"shards": {"a": "b"}}}


def section(name, **values):
    return SECTIONS[name](**(REQUIRED.get(name, {}) | values))


@pytest.mark.parametrize(
    "name, field, minimum",
    [
        ("Model", "micro_batch_size", 1),
        ("Data", "sequence_length", 1),
        ("Recipe", "batch_multiple", 1),
        ("Checkpoint", "every_steps", 1),
        ("Checkpoint", "keep_last", 1),
        ("Checkpoint", "keep_every", 1),
        ("Validation", "every_steps", 1),
        ("Validation", "max_batches", 1),
        ("Validation", "batch_size", 1),
        ("Health", "max_skipped_in_a_row", 1),
        ("Health", "spike_window", 4),
        ("Health", "max_rollbacks", 0),
        ("Log", "every_steps", 1),
        ("Devices", "replicas", 1),
        ("Devices", "cpu_replicas", 1),
    ],
)
def test_an_integer_below_its_minimum_raises(name, field, minimum):
    path = {"Checkpoint": "checkpoints"}.get(name, name.lower()) + f".{field}"
    message = (
        f"{path} must be an integer of at least {minimum}. Received: {path}="
        f"{minimum - 1}. Pass {minimum} or more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        section(name, **{field: minimum - 1})
    made = section(name, **{field: minimum})
    assert getattr(made, field) == minimum


@pytest.mark.parametrize(
    "name, path, value",
    [
        ("Checkpoint", "checkpoints.every_minutes", 0.0),
        ("Health", "health.spike_deviations", -1.0),
        ("Log", "log.peak_flops", 0.0),
        ("Log", "log.peak_flops", float("nan")),
    ],
)
def test_a_number_that_is_not_above_0_raises(name, path, value):
    message = (
        f"{path} must be above 0. Received: {path}={value}. Use None to do "
        "without."
    )
    field = path.partition(".")[2]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        section(name, **{field: value})
    assert getattr(section(name, **{field: 0.5}), field) == 0.5
    assert getattr(section(name, **{field: None}), field) is None


@pytest.mark.parametrize(
    "name, values, message",
    [
        (
            "Log",
            {"peak_flops": "1 PF"},
            "log.peak_flops must be a number or 'measure'. Received: "
            "log.peak_flops='1 PF'. Write FLOP/s such as 312e12.",
        ),
        (
            "Model",
            {"jit_compile": "yes"},
            "model.jit_compile must be a bool or 'auto'. Received: "
            "model.jit_compile='yes'. Leave it out to compile whole steps on "
            "GPUs only.",
        ),
        (
            "Data",
            {"skip_batches": [0, -1]},
            "A batch of data.skip_batches must be an integer of at least 0. "
            "Received: A batch of data.skip_batches=-1. Pass 0 or more.",
        ),
    ],
    ids=["Log", "Model", "Data"],
)
def test_what_else_is_wrong_raises(name, values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        section(name, **values)


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
        PretrainingConfig("a", section("Model"), section("Data"), **values)


def test_the_recipe_s_fields_are_those_of_pretraining_recipe():
    """All but the length of a context, which the data section has."""
    ours = {f.name for f in dataclasses.fields(SECTIONS["Recipe"])}
    theirs = {f.name for f in dataclasses.fields(PretrainingRecipe)}
    assert theirs - ours == {"sequence_length"}
    assert ours <= theirs


@pytest.mark.parametrize("kind", [*SECTIONS.values(), PretrainingConfig])
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
        recipe=SECTIONS["Recipe"](total_tokens=1e9, learning_rate=6e-4),
    )
    write_config(config, path)
    assert read_config(PretrainingConfig, path) == config
