"""The preset files against the paper's tables, typed in again by hand."""

import math

import pytest

from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets

# Table 2.1: n_params, n_layers, d_model, n_heads, d_head, batch size, learning
# rate.
TABLE_2_1 = {
    "gpt3_small_en": ("125M", 12, 768, 12, 64, "0.5M", "6.0e-4"),
    "gpt3_medium_en": ("350M", 24, 1024, 16, 64, "0.5M", "3.0e-4"),
    "gpt3_large_en": ("760M", 24, 1536, 16, 96, "0.5M", "2.5e-4"),
    "gpt3_extra_large_en": ("1.3B", 24, 2048, 24, 128, "1M", "2.0e-4"),
    "gpt3_2.7b_en": ("2.7B", 32, 2560, 32, 80, "1M", "1.6e-4"),
    "gpt3_6.7b_en": ("6.7B", 32, 4096, 32, 128, "2M", "1.2e-4"),
    "gpt3_13b_en": ("13.0B", 40, 5140, 40, 128, "2M", "1.0e-4"),
    "gpt3_175b_en": ("175.0B", 96, 12288, 96, 128, "3.2M", "0.6e-4"),
}

# Table D.1: parameters in millions, petaflop/s-days, FLOPs.
TABLE_D_1 = {
    "gpt3_small_en": (125, 2.60, 2.25e20),
    "gpt3_medium_en": (356, 7.42, 6.41e20),
    "gpt3_large_en": (760, 15.8, 1.37e21),
    "gpt3_extra_large_en": (1320, 27.5, 2.38e21),
    "gpt3_2.7b_en": (2650, 55.2, 4.77e21),
    "gpt3_6.7b_en": (6660, 139, 1.20e22),
    "gpt3_13b_en": (12850, 268, 2.31e22),
    "gpt3_175b_en": (174600, 3640, 3.14e23),
}

# Heads and width where Table 2.1 contradicts itself.
RESOLVED = {"gpt3_extra_large_en": (16, 2048), "gpt3_13b_en": (40, 5120)}

# The batch in sequences of 2048 tokens.
BATCH_SEQUENCES = {
    "gpt3_small_en": 256,
    "gpt3_medium_en": 256,
    "gpt3_large_en": 256,
    "gpt3_extra_large_en": 512,
    "gpt3_2.7b_en": 512,
    "gpt3_6.7b_en": 1024,
    "gpt3_13b_en": 1024,
    "gpt3_175b_en": 1536,
}

# Appendix B: "32k tokens", then a ramp over "4-12 billion tokens". What lies
# between these ends is ours, in billions.
RAMP_BILLIONS = {
    "gpt3_small_en": 4,
    "gpt3_medium_en": 5,
    "gpt3_large_en": 6,
    "gpt3_extra_large_en": 7,
    "gpt3_2.7b_en": 7,
    "gpt3_6.7b_en": 8,
    "gpt3_13b_en": 9,
    "gpt3_175b_en": 12,
}

each_preset = pytest.mark.parametrize("name", TABLE_2_1)


def test_the_eight_sizes_are_shipped_in_the_order_of_size():
    assert list(shipped_presets()) == list(TABLE_2_1)


@each_preset
def test_printed_values_are_those_of_table_2_1(name):
    printed = load_shipped_preset(name)["printed"]
    assert tuple(printed.values()) == TABLE_2_1[name]


@each_preset
def test_table_d1_values_are_those_of_the_paper(name):
    table_d1 = load_shipped_preset(name)["table_d1"]
    assert tuple(table_d1.values()) == TABLE_D_1[name]


@each_preset
def test_backbone_is_the_printed_size_with_contradictions_resolved(name):
    _, layers, width, heads, _, _, _ = TABLE_2_1[name]
    heads, width = RESOLVED.get(name, (heads, width))
    assert load_shipped_preset(name)["backbone"] == {
        "vocabulary_size": 50257,
        "num_layers": layers,
        "num_heads": heads,
        "hidden_dim": width,
        "intermediate_dim": 4 * width,
        "dropout": 0.0,
        "max_sequence_length": 2048,
        "attention_pattern": ["dense", "banded"],
        "attention_window": 256,
        "layer_norm_epsilon": 1e-5,
        "activation": "gelu_approximate",
    }


@each_preset
def test_heads_of_the_printed_width_fill_the_resolved_model(name):
    preset = load_shipped_preset(name)
    backbone = preset["backbone"]
    assert backbone["hidden_dim"] == (
        backbone["num_heads"] * preset["printed"]["d_head"]
    )


@each_preset
def test_a_resolution_is_given_exactly_where_the_print_is_inconsistent(name):
    _, _, width, heads, head_width, _, _ = TABLE_2_1[name]
    resolution = load_shipped_preset(name)["resolution"]
    assert (resolution is not None) == (heads * head_width != width)


@each_preset
def test_recipe_is_that_of_the_paper_in_whole_sequences(name):
    recipe = load_shipped_preset(name)["recipe"]
    assert recipe.pop("ramp_note").startswith("Appendix B prints ")
    assert recipe == {
        "batch_tokens": BATCH_SEQUENCES[name] * 2048,
        "learning_rate": float(TABLE_2_1[name][-1]),
        "total_tokens": 300_000_000_000,
        "start_batch_tokens": 16 * 2048,
        "ramp_tokens": RAMP_BILLIONS[name] * 1_000_000_000,
    }


@each_preset
def test_batch_is_the_printed_one_to_a_part_in_twenty(name):
    printed = float(TABLE_2_1[name][-2].removesuffix("M")) * 1e6
    recipe = load_shipped_preset(name)["recipe"]
    # "0.5M" is 2**19; the printed 3.2M is no whole number of contexts.
    assert recipe["batch_tokens"] == pytest.approx(printed, rel=0.05)


@each_preset
def test_ramp_grows_with_the_logarithm_of_the_size(name):
    sizes = [row[0] for row in TABLE_D_1.values()]
    share = math.log(TABLE_D_1[name][0] / sizes[0])
    share /= math.log(sizes[-1] / sizes[0])
    assert RAMP_BILLIONS[name] == round(4 + 8 * share)


@each_preset
def test_description_says_that_no_weights_were_published(name):
    description = shipped_presets()[name]
    assert description.endswith("no weights were published.")
    assert description.count(". ") == 0  # one sentence
