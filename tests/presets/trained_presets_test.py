"""The models whose weights the package holds."""

import pathlib

import keras
import keras_hub
import numpy as np
import pytest

import keras_gpt3
from keras_gpt3.preset_loader import trained_folder
from keras_gpt3.preset_loader import trained_presets

MOST_BYTES = 25e6
WORDS = {"the", "of", "and", "to", "in", "was", "is", "his", "her", "our"}

each_name = pytest.mark.parametrize("name", trained_presets())


def test_a_name_has_a_folder_and_others_have_none():
    assert trained_folder("gpt3_nano_en").name == "gpt3_nano_en"
    assert trained_folder("gpt3_small_en") is None
    assert trained_folder(None) is None


@each_name
def test_it_is_as_large_as_its_entry_says(name):
    known = trained_presets()[name]
    entry = keras_gpt3.GPT3.presets[name]["metadata"]
    assert entry == {
        "description": known["description"],
        "params": known["parameters"],
        "licence": known["licence"],
        "path": "gpt3",
    }
    description = keras_gpt3.describe(name)
    assert description.num_parameters == known["parameters"]
    assert description.summary == known["description"]
    files = [p for p in trained_folder(name).rglob("*") if p.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


@each_name
@pytest.mark.parametrize("cls", [keras_gpt3.GPT3, keras_hub.models.CausalLM])
def test_it_loads_by_name_offline(name, cls):
    path = name if cls is keras_gpt3.GPT3 else str(trained_folder(name))
    model = cls.from_preset(path)
    assert type(model) is keras_gpt3.GPT3
    assert model.dtype_policy.name == "bfloat16"
    copy = keras_gpt3.GPT3Tokenizer.from_preset(name)
    assert (
        copy.get_vocabulary() == model.preprocessor.tokenizer.get_vocabulary()
    )


@each_name
def test_it_continues_in_english_words(name):
    keras.utils.set_random_seed(0)
    model = keras_gpt3.GPT3.from_preset(name, dtype="float32")
    prompt = "The people of the United States"
    text = model.generate(prompt, max_length=64)
    assert text.startswith(prompt)
    words = text.removeprefix(prompt).lower().split()
    share = np.mean([word.strip(".,;:") in WORDS for word in words])
    # In English text the ten are about a fifth of all words.
    assert 0.05 < share < 0.6


def test_a_folder_of_the_same_name_is_not_guessed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("gpt3_nano_en").mkdir()
    with pytest.raises(ValueError) as error:
        keras_gpt3.GPT3.from_preset("gpt3_nano_en")
    assert str(error.value) == (
        "preset must be either a known name or a folder. Received: "
        "preset='gpt3_nano_en', which is both. Pass './gpt3_nano_en' for the "
        "folder, or rename it."
    )
