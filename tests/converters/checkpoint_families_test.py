import re

import pytest

from keras_gpt3.converters.checkpoint_families import FAMILIES
from keras_gpt3.converters.checkpoint_families import family_for
from keras_gpt3.converters.checkpoint_families import family_of
from keras_gpt3.preset_loader import load_shipped_preset
from tests.converters.small_configs import SMALLEST

GPT3 = load_shipped_preset("gpt3_small_en")["backbone"]


@pytest.mark.parametrize("model_type", ["gpt2", "gpt_neo", "opt"])
def test_a_config_names_its_family_and_a_backbone_finds_it(model_type):
    config = SMALLEST[model_type]
    family = family_of(config)
    assert family.model_type == model_type
    assert family_for(family.backbone_arguments(config)) is family


@pytest.mark.parametrize("model_type", ["llama", "GPT2", None, ["gpt2"]])
def test_a_config_of_another_family_is_named(model_type):
    message = (
        "model_type in config.json must be one of ['gpt2', 'gpt_neo', 'opt']. "
        f"Received: model_type={model_type!r}. Only these have the shape of "
        "GPT-3."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        family_of({"model_type": model_type})


def test_bands_that_see_the_whole_context_are_gpt2():
    with pytest.raises(ValueError, match="attention_pattern"):
        family_for(GPT3)
    context = GPT3["max_sequence_length"]
    assert family_for(GPT3 | {"attention_window": context}) is FAMILIES["gpt2"]


def test_what_stands_in_every_family_s_way_is_said():
    message = (
        "A backbone must be one that a class of transformers can compute. "
        "Received: gpt2 has no attention_pattern=['dense', 'banded']; gpt_neo "
        "has no query_key_value_bias=True or attention_scale=None; opt has no "
        "attention_pattern=['dense', 'banded'] or position_offset=0 or "
        "skip_padding_positions=False. Save it with save_to_preset."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        family_for(GPT3)
