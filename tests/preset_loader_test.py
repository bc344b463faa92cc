import inspect
import json
import re

import pytest

import keras_gpt3
from keras_gpt3 import preset_loader
from keras_gpt3.preset_loader import BACKBONE_KEYS
from keras_gpt3.preset_loader import VARIANT_DEFAULTS
from keras_gpt3.preset_loader import is_shipped
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets
from keras_gpt3.preset_loader import vocabulary_paths


def test_only_exact_names_are_shipped():
    assert is_shipped("gpt3_small_en")
    assert not is_shipped("gpt3_small")
    assert not is_shipped(None)


def test_a_loaded_preset_is_a_copy():
    load_shipped_preset("gpt3_small_en")["backbone"]["num_layers"] = 1
    assert load_shipped_preset("gpt3_small_en")["backbone"]["num_layers"] == 12


def test_a_misspelt_name_is_answered_with_the_closest_and_the_list():
    message = re.escape(
        'preset must be a known name, a local folder or "hf://org/name". '
        "Received: preset='gpt3_smal_en'. Use gpt3_small_en, the closest of "
        f"{', '.join(shipped_presets())} and the checkpoints that keras-gpt3 "
        "describe lists."
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        load_shipped_preset("gpt3_smal_en")


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("opt-125m", "opt_125m_en"),
        ("gpt2", "gpt2_base_en"),
        ("Cerebras-GPT-13B", "cerebras_gpt_13b_en"),
        ("gpt-neo-2.7B", "gpt_neo_2.7b_en"),
    ],
)
def test_a_checkpoint_s_usual_name_is_answered_with_ours(name, close):
    with pytest.raises(ValueError, match=f"Use {close}, the closest of gpt3"):
        load_shipped_preset(name)


def test_a_checkpoint_has_no_recipe_of_the_paper():
    message = (
        "A recipe and sizes of the paper's must be of a shipped preset. "
        "Received: preset='gpt2_base_en', a checkpoint of another paper. Use "
        f"one of {', '.join(shipped_presets())}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        keras_gpt3.training.PretrainingRecipe.for_preset("gpt2_base_en")


@pytest.mark.parametrize("name", ["zzz", None, 3, "gpt3_tiny_en"])
def test_a_name_like_no_other_is_answered_with_the_list(name):
    message = f"Received: preset={name!r}. Use one of gpt3_small_en, gpt3_med"
    with pytest.raises(ValueError, match=re.escape(message)):
        load_shipped_preset(name)


def test_vocabulary_has_a_rule_for_each_merged_token():
    encoder, merges = vocabulary_paths()
    tokens = json.loads(encoder.read_text(encoding="utf-8"))
    rules = merges.read_text(encoding="utf-8").splitlines()[1:]
    assert len(tokens) == 50257
    # 256 bytes and the end of text are no merges.
    assert len(rules) == 50257 - 256 - 1


@pytest.fixture
def read_folder(tmp_path, monkeypatch):
    """Reads a folder that holds one preset file, past the cache."""

    def read(preset, file_name="gpt3_small_en"):
        (tmp_path / f"{file_name}.json").write_text(json.dumps(preset))
        monkeypatch.setattr(preset_loader, "_preset_folder", lambda: tmp_path)
        return preset_loader._read_presets.__wrapped__()

    return read


def test_a_complete_file_is_read(read_folder):
    preset = load_shipped_preset("gpt3_small_en")
    assert read_folder(preset) == {"gpt3_small_en": preset}


@pytest.mark.parametrize(
    "section", [None, "printed", "backbone", "recipe", "table_d1"]
)
def test_an_unknown_key_in_a_preset_file_raises(read_folder, section):
    preset = load_shipped_preset("gpt3_small_en")
    (preset if section is None else preset[section])["num_layer"] = 12
    where = "the file" if section is None else f'"{section}"'
    message = (
        f"gpt3_small_en.json must hold exactly the known keys in {where}. "
        "Received: unknown=['num_layer'], missing=[]. Use the keys "
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        read_folder(preset)


def test_a_missing_key_in_a_preset_file_raises(read_folder):
    preset = load_shipped_preset("gpt3_small_en")
    del preset["recipe"]["batch_tokens"]
    message = re.escape("Received: unknown=[], missing=['batch_tokens'].")
    with pytest.raises(ValueError, match=message):
        read_folder(preset)


def test_a_preset_file_under_another_name_raises(read_folder):
    message = (
        "gpt3_x.json must carry its own name. Received: name='gpt3_small_en'. "
        "Rename the file or the preset."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        read_folder(load_shipped_preset("gpt3_small_en"), "gpt3_x")


def test_an_unknown_key_of_a_checkpoint_raises(tmp_path, monkeypatch):
    monkeypatch.setattr(preset_loader, "_preset_folder", lambda: tmp_path)
    family = {
        "licence": "MIT",
        "licence_source": "https://a.b",
        "config": {},
        "checkpoints": {"x_en": {"repository": "a/b", "params": 3}},
    }
    (tmp_path / "checkpoints.json").write_text(json.dumps({"X": family}))
    message = (
        'checkpoints.json must hold exactly the known keys in "x_en". '
        "Received: unknown=['params'], missing=['parameters', 'config']. Use "
        "the keys repository, parameters, config."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        preset_loader._read_checkpoints.__wrapped__()


def test_the_switches_are_the_defaults_of_the_backbone():
    arguments = inspect.signature(keras_gpt3.GPT3Backbone).parameters
    defaults = {name: arguments[name].default for name in VARIANT_DEFAULTS}
    assert defaults == VARIANT_DEFAULTS
    known = {*BACKBONE_KEYS, *VARIANT_DEFAULTS, "dtype", "kwargs"}
    assert known == set(arguments)


def test_a_name_that_shares_but_its_ends_is_close_to_none():
    with pytest.raises(ValueError, match="'gpt3_tiny_en'. Use one of gpt3_sm"):
        load_shipped_preset("gpt3_tiny_en")
