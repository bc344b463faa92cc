import re

import keras_hub
import pytest
from keras_hub.src.utils.preset_utils import BUILTIN_PRESETS

import keras_gpt3
from keras_gpt3.preset_loader import named_checkpoints
from keras_gpt3.preset_loader import trained_presets

SHIPPED = [
    "gpt3_small_en",
    "gpt3_medium_en",
    "gpt3_large_en",
    "gpt3_extra_large_en",
    "gpt3_2.7b_en",
    "gpt3_6.7b_en",
    "gpt3_13b_en",
    "gpt3_175b_en",
]

NAMES = [*SHIPPED, *trained_presets(), *named_checkpoints()]
CLASSES = [
    keras_gpt3.GPT3,
    keras_gpt3.GPT3Backbone,
    keras_gpt3.GPT3Tokenizer,
    keras_gpt3.GPT3Preprocessor,
]


@pytest.mark.parametrize("cls", CLASSES)
def test_a_class_lists_all_presets_as_keras_hub_lists_its_own(cls):
    assert list(cls.presets) == NAMES
    of_keras_hub = keras_hub.models.GPT2Backbone.presets["gpt2_base_en"]
    for name, preset in cls.presets.items():
        metadata = preset["metadata"]
        more = {"licence"} if name not in SHIPPED else set()
        more |= {"repository"} if name in named_checkpoints() else set()
        assert metadata.keys() == of_keras_hub["metadata"].keys() | more
        assert metadata["path"] == "gpt3"
        assert metadata["params"] == keras_gpt3.describe(name).num_parameters
        assert re.search("million|billion", metadata["description"])


def test_keras_hub_lists_the_presets_with_its_own():
    listed = keras_hub.models.CausalLM.presets
    ours = keras_gpt3.GPT3.presets
    theirs = {
        **keras_hub.models.GPT2CausalLM.presets,
        **keras_hub.models.OPTCausalLM.presets,
    }
    shared = ours.keys() & theirs.keys()
    assert {"gpt2_base_en", "opt_125m_en"} <= shared < set(NAMES)
    for name in ours:
        assert listed[name] == (theirs[name] if name in shared else ours[name])


def test_a_name_of_keras_hub_s_keeps_its_address_there():
    for name in ("gpt2_base_en", "opt_125m_en"):
        address = BUILTIN_PRESETS[name]["kaggle_handle"]
        assert address.startswith("kaggle://keras/")


def test_the_classes_have_keras_hubs_names_as_well():
    assert keras_gpt3.GPT3CausalLM is keras_gpt3.GPT3
    assert keras_gpt3.GPT3CausalLMPreprocessor is keras_gpt3.GPT3Preprocessor


@pytest.mark.parametrize(
    "cls",
    [
        keras_hub.models.CausalLM,
        keras_hub.models.Backbone,
        keras_hub.tokenizers.Tokenizer,
        keras_hub.models.CausalLMPreprocessor,
    ],
)
@pytest.mark.parametrize("name", ["gpt3_small_en", "cerebras_gpt_13b_en"])
def test_keras_hub_says_what_to_call_for_a_preset_of_ours(cls, name):
    message = (
        "keras-hub must be given a preset that it can download. Received: "
        f"preset='{name}', which keras_gpt3 loads. Call "
        f"keras_gpt3.GPT3.from_preset('{name}') instead."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        cls.from_preset(name)


def test_the_preprocessing_belongs_to_the_backbone():
    for cls in (keras_gpt3.GPT3Tokenizer, keras_gpt3.GPT3Preprocessor):
        assert cls.backbone_cls is keras_gpt3.GPT3Backbone
