import json
import re

import pytest

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Backbone
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.models.presets.preset_files import check_preset
from keras_gpt3.models.presets.preset_files import check_scheme


def refusal(expected, preset):
    """Asserts that a preset is refused, with this text on one line."""
    with pytest.raises(ValueError, match=re.escape(expected)) as raised:
        check_preset(str(preset))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("preset", ["gpt3_small_en", "hf://org/name"])
def test_names_and_handles_pass(preset):
    check_preset(preset)
    check_scheme(preset)


@pytest.mark.parametrize("key", ["registered_name", "model_type"])
def test_a_folder_of_either_format_passes(key, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({key: "x"}))
    check_preset(str(tmp_path))


def test_a_folder_without_a_config_raises(tmp_path):
    refusal(
        "A preset folder must hold a config.json. Received: preset="
        f"{str(tmp_path)!r}. Pass a folder that save_to_preset wrote.",
        tmp_path,
    )


def test_a_config_that_is_not_json_raises(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{nonsense")
    refusal(
        f"config.json must be valid JSON. Received: {path} (Expecting property "
        "name enclosed in double quotes: line 1 column 2 (char 1)). Download "
        "or save it again.",
        tmp_path,
    )


@pytest.mark.parametrize("config", [5, None, []])
def test_a_config_that_is_no_object_raises(config, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    refusal(
        f"config.json must hold one object. Received: {path} with {config!r}. "
        "Download or save it again.",
        tmp_path,
    )


def test_a_config_that_is_nested_too_deep_raises(tmp_path):
    (tmp_path / "config.json").write_text("[" * 10**5)
    refusal("(it is nested too deep). Download or save it again.", tmp_path)


@pytest.mark.parametrize(
    "config",
    [{"architecture": "resnet"}, {}],
    ids=["timm", "empty"],
)
def test_a_config_of_another_library_raises(config, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    refusal(
        "preset must be in Keras' or Hugging Face's format, with a "
        "registered_name or a model_type in its config.json. Received: "
        f"preset={str(tmp_path)!r}. Pass a folder that save_to_preset or "
        "save_pretrained wrote.",
        tmp_path,
    )


def test_a_folder_that_is_not_there_raises(tmp_path):
    folder = str(tmp_path / "nothing")
    message = (
        f"A preset folder must exist. Received: preset={folder!r}. Pass a "
        "folder that save_to_preset wrote, or a name of "
        "keras_gpt3.GPT3.presets."
    )
    for cls in (GPT3, GPT3Backbone):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            cls.from_preset(folder)


@pytest.mark.parametrize(
    ("preset", "remedy"),
    [
        ("https://huggingface.co/org/name", "Pass hf://org/name."),
        ("HF://org/name", "Pass hf://org/name."),
        ("Kaggle://a/b/c/d", "Pass kaggle://a/b/c/d."),
        ("file:///models/x", "Pass the folder's path alone."),
        ("s3://a/b", "Pass hf://org/name for a model of Hugging Face's hub."),
    ],
)
def test_an_address_that_is_no_handle_is_told_apart(preset, remedy):
    message = (
        "A handle must begin with one of hf://, kaggle://, gs://, modelscope://"
        f". Received: preset={preset!r}. {remedy}"
    )
    for cls in (GPT3, GPT3Backbone, GPT3Tokenizer):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            cls.from_preset(preset)


def test_a_name_on_the_hub_without_its_scheme_is_understood():
    refusal(
        "A preset folder must exist. Received: preset='org/name'. Pass "
        "hf://org/name for a model of the hub, a folder that",
        "org/name",
    )


@pytest.mark.parametrize("name", ["m.keras", "model.weights.h5", "notes"])
def test_a_file_is_no_preset(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    for preset in (name, tmp_path / name):
        refusal(
            "preset must be a folder, or a name, and no file. Received: "
            f"preset={str(preset)!r}. Load the file with "
            "keras.saving.load_model, and write a folder with "
            "model.save_to_preset.",
            preset,
        )
