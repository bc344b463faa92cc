"""The named checkpoints against published configs and others' counts."""

import keras_hub
import pytest

from keras_gpt3.converters.checkpoint_families import family_of
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.preset_loader import is_shipped
from keras_gpt3.preset_loader import load_named_checkpoint
from keras_gpt3.preset_loader import named_checkpoints
from tests.converters import published_configs

# Layers, width and heads, and parameters in millions, from the papers and the
# model cards: Radford et al. 2019 (table 2) as OpenAI corrected it, Dey et al.
# 2023 (table 1), Zhang et al. 2022 (table 1), EleutherAI's cards.
SIZES = {
    "gpt2_base_en": (12, 768, 12, 124),
    "gpt2_medium_en": (24, 1024, 16, 355),
    "gpt2_large_en": (36, 1280, 20, 774),
    "gpt2_extra_large_en": (48, 1600, 25, 1558),
    "distilgpt2_base_en": (6, 768, 12, 82),
    "cerebras_gpt_111m_en": (10, 768, 12, 111),
    "cerebras_gpt_256m_en": (14, 1088, 17, 256),
    "cerebras_gpt_590m_en": (18, 1536, 12, 590),
    "cerebras_gpt_1.3b_en": (24, 2048, 16, 1316),
    "cerebras_gpt_2.7b_en": (32, 2560, 32, 2652),
    "cerebras_gpt_6.7b_en": (32, 4096, 32, 6658),
    "cerebras_gpt_13b_en": (40, 5120, 40, 12853),
    "gpt_neo_125m_en": (12, 768, 12, 125),
    "gpt_neo_1.3b_en": (24, 2048, 16, 1316),
    "gpt_neo_2.7b_en": (32, 2560, 20, 2651),
    "opt_125m_en": (12, 768, 12, 125),
    "opt_350m_en": (24, 1024, 16, 331),
    "opt_1.3b_en": (24, 2048, 32, 1316),
    "opt_2.7b_en": (32, 2560, 32, 2652),
    "opt_6.7b_en": (32, 4096, 32, 6658),
    "opt_13b_en": (40, 5120, 40, 12853),
    "opt_30b_en": (48, 7168, 56, 29975),
    "opt_66b_en": (64, 9216, 72, 65720),
}
PUBLISHED = {
    "gpt2_base_en": published_configs.GPT2,
    "distilgpt2_base_en": published_configs.DISTILGPT2,
    "cerebras_gpt_256m_en": published_configs.CEREBRAS_GPT_256M,
    "gpt_neo_125m_en": published_configs.GPT_NEO_125M,
    "opt_125m_en": published_configs.OPT_125M,
    "opt_350m_en": published_configs.OPT_350M,
}

each_name = pytest.mark.parametrize("name", SIZES)


def arguments_of(config):
    return family_of(config).backbone_arguments(config)


def test_the_list_is_whole_and_apart_from_the_paper_s_sizes():
    assert list(named_checkpoints()) == list(SIZES)
    assert not any(map(is_shipped, SIZES))


@each_name
def test_a_config_is_read_and_has_the_stated_sizes(name):
    checkpoint = load_named_checkpoint(name)
    arguments = arguments_of(checkpoint["config"])
    layers, width, heads, millions = SIZES[name]
    sizes = ("num_layers", "hidden_dim", "num_heads", "intermediate_dim")
    assert [arguments[key] for key in sizes] == [
        layers,
        width,
        heads,
        4 * width,
    ]
    counted = sum(count_parameters(arguments).values())
    assert checkpoint["parameters"] == counted
    assert round(counted / 1e6) == millions


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_config_is_that_of_the_repository(name):
    ours = load_named_checkpoint(name)["config"]
    assert arguments_of(ours) == arguments_of(PUBLISHED[name])


@pytest.mark.parametrize(
    ("cls", "rows"),
    [
        (keras_hub.models.GPT2Backbone, 0),
        # keras-hub drops the two rows before OPT's first position.
        (keras_hub.models.OPTBackbone, 2),
    ],
)
def test_where_keras_hub_has_the_name_it_has_as_many_parameters(cls, rows):
    shared = cls.presets.keys() & SIZES
    assert shared
    for name in shared:
        theirs = cls.presets[name]["metadata"]["params"]
        ours = load_named_checkpoint(name)["parameters"]
        if theirs % 10**8:  # Else it is rounded.
            assert ours - theirs == rows * SIZES[name][1]


@each_name
def test_a_description_says_size_repository_and_licence(name):
    checkpoint = load_named_checkpoint(name)
    description = named_checkpoints()[name]
    assert f"hf://{checkpoint['repository']}" in description
    assert description.endswith(f"licence: {checkpoint['licence']}.")
    assert checkpoint["licence_source"].startswith("https://")
    assert "million" in description


def test_a_description_in_full():
    assert named_checkpoints()["opt_350m_en"] == (
        "OPT, 331.2 million parameters: the weights and the tokenizer of "
        "hf://facebook/opt-350m, downloaded when first loaded; licence: "
        "OPT-175B licence, non-commercial."
    )


def test_a_loaded_checkpoint_is_a_copy():
    load_named_checkpoint("gpt2_base_en")["config"].clear()
    assert load_named_checkpoint("gpt2_base_en")["config"]["n_layer"] == 12
