"""The tables of docs/model_cards.md against the presets' files."""

import pathlib
import re

import pytest

from keras_gpt3 import preset_loader
from keras_gpt3.planning import cache_bytes
from keras_gpt3.planning import count_parameters
from keras_gpt3.planning import estimate_memory
from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning import format_bytes
from keras_gpt3.training import PretrainingRecipe

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "model_cards.md"
SECTIONS = dict(
    re.findall(
        r"^## (.+?)\n(.*?)(?=^## |\Z)",
        PAGE.read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
)
PRESETS = {
    name: preset_loader.load_shipped_preset(name)
    for name in preset_loader.shipped_presets()
}

each_preset = pytest.mark.parametrize("name", PRESETS)


def table(section):
    """Rows of a section's table: a dict of column for each first cell."""
    lines = re.findall(r"^\| (.+) \|$", SECTIONS[section], re.MULTILINE)
    columns, *rows = (line.split(" | ") for line in lines)
    return {
        row[0].strip("`"): dict(zip(columns[1:], row[1:], strict=True))
        for row in rows
    }


def num_parameters(name):
    return sum(count_parameters(PRESETS[name]["backbone"]).values())


@pytest.mark.parametrize(
    "section", ["Sizes", "Recipe", "Training compute", "Memory"]
)
def test_a_table_has_the_eight_presets_in_order_of_size(section):
    assert list(table(section)) == list(PRESETS)


@each_preset
def test_sizes_are_those_of_the_preset(name):
    backbone = PRESETS[name]["backbone"]
    head_width = backbone["hidden_dim"] // backbone["num_heads"]
    assert table("Sizes")[name] == {
        "parameters": f"{num_parameters(name):,}",
        "layers": str(backbone["num_layers"]),
        "width": str(backbone["hidden_dim"]),
        "feed-forward": str(backbone["intermediate_dim"]),
        "heads": str(backbone["num_heads"]),
        "width of a head": str(head_width),
        "context": str(backbone["max_sequence_length"]),
        "window": str(backbone["attention_window"]),
    }


@each_preset
def test_recipe_is_that_of_the_preset(name):
    recipe = PRESETS[name]["recipe"]
    length = PRESETS[name]["backbone"]["max_sequence_length"]
    row = table("Recipe")[name]
    assert float(row["learning rate"]) == recipe["learning_rate"]
    assert row == {
        "batch, tokens": f"{recipe['batch_tokens']:,}",
        "contexts": str(recipe["batch_tokens"] // length),
        "learning rate": PRESETS[name]["printed"]["learning_rate"],
        "ramp": f"{recipe['ramp_tokens'] / 1e9:g}B",
        "tokens": f"{recipe['total_tokens'] / 1e9:g}B",
        "steps": f"{PretrainingRecipe.for_preset(name).num_steps:,}",
    }


@each_preset
def test_compute_is_that_of_table_d1_and_of_the_preset(name):
    printed = PRESETS[name]["table_d1"]
    tokens = PRESETS[name]["recipe"]["total_tokens"]
    row = table("Training compute")[name]
    assert row == {
        "Table D.1: parameters": f"{printed['parameters_millions']:,}M",
        "petaflop/s-days": f"{printed['petaflop_s_days']:,g}",
        "FLOPs": f"{printed['flops']:.2e}",
        "of the preset": f"{6 * num_parameters(name) * tokens:.2e}",
    }
    # The table rounds parameters first, to three digits.
    assert float(row["of the preset"]) == pytest.approx(
        float(row["FLOPs"]), rel=5e-3
    )


@each_preset
def test_memory_is_what_the_planner_predicts(name):
    backbone, count = PRESETS[name]["backbone"], num_parameters(name)
    step = estimate_training_memory(backbone, dtype="mixed_bfloat16")
    sizes = {
        "weights, bfloat16": estimate_memory(count, "bfloat16", None)["total"],
        "weights, float32": estimate_memory(count, "float32", None)["total"],
        "to train, float32": estimate_memory(count, "float32")["total"],
        "a step, mixed_bfloat16": step["total"],
        "cache, bfloat16": cache_bytes(backbone, "bfloat16"),
    }
    assert table("Memory")[name] == {
        column: format_bytes(size) for column, size in sizes.items()
    }


def test_every_contradiction_that_a_preset_resolves_is_told():
    told = table("Where the paper contradicts itself or is silent")
    resolved = [name for name in PRESETS if PRESETS[name]["resolution"]]
    assert {"gpt3_extra_large_en`, heads", "gpt3_13b_en`, width"} <= set(told)
    assert len(resolved) == 2


@pytest.mark.parametrize(
    ("row", "printed", "used"),
    [
        ("gpt3_extra_large_en`, heads", "n_heads", "num_heads"),
        ("gpt3_13b_en`, width", "d_model", "hidden_dim"),
    ],
)
def test_a_contradiction_has_the_values_of_the_preset(row, printed, used):
    told = table("Where the paper contradicts itself or is silent")[row]
    preset = PRESETS[row.partition("`")[0]]
    first = {key: told[key].split(" ")[0] for key in ("printed", "used")}
    assert first == {
        "printed": str(preset["printed"][printed]),
        "used": str(preset["backbone"][used]),
    }


def test_vocabulary_is_that_of_the_presets():
    backbones = [preset["backbone"] for preset in PRESETS.values()]
    sizes = {f"{backbone['vocabulary_size']:,}" for backbone in backbones}
    assert sizes == set(
        re.findall(r"[\d,]+(?= tokens)", SECTIONS["Vocabulary"])
    )
