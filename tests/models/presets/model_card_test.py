import re

import pytest

from keras_gpt3 import GPT3
from keras_gpt3.models.presets.model_card import model_card
from keras_gpt3.models.presets.model_card import preset_folder
from keras_gpt3.models.presets.model_card import write_model_card
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model

# === Preset saving ===


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_model_leaves_no_other_model_s_tokenizer(tmp_path):
    small_text_model(num_layers=1).save_to_preset(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "mine.weights.h5").write_text("mine")
    small_model(num_layers=1).save_to_preset(tmp_path)
    assert GPT3.from_preset(tmp_path).preprocessor is None
    for name in ("notes.txt", "mine.weights.h5"):
        assert (tmp_path / name).read_text() == "mine"


def test_a_save_that_fails_leaves_the_model_that_was_there(
    tmp_path, monkeypatch
):
    model = small_model(num_layers=1)
    model.save_to_preset(tmp_path)
    before = names(tmp_path)

    def fail(*arguments, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(type(model.backbone), "save_weights", fail)
    with pytest.raises(OSError, match="No space left"):
        model.save_to_preset(tmp_path)
    monkeypatch.undo()
    assert names(tmp_path) == before
    GPT3.from_preset(tmp_path, load_weights=True)


def test_a_checkpoint_is_not_spoilt(tmp_path):
    model = small_model(num_layers=1, attention_pattern=("dense",))
    model.export_to_transformers(tmp_path)
    before = names(tmp_path)
    message = (
        "preset_dir must not hold a checkpoint in Hugging Face's layout. "
        f"Received: preset_dir='{tmp_path}', whose config.json would be "
        "replaced. Pass another folder."
    )
    with pytest.raises(FileExistsError, match=f"^{re.escape(message)}$"):
        model.save_to_preset(tmp_path)
    assert names(tmp_path) == before


def test_the_card_that_is_there_is_at_hand(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with preset_folder(tmp_path) as folder:
        assert (folder / "README.md").read_text() == "mine"
        (folder / "config.json").write_text("{}")
    assert names(tmp_path) == ["README.md", "config.json"]


# === Model card ===


def test_a_card_holds_header_use_and_architecture():
    model = small_text_model()
    card = model_card(model, "Tiny", license="mit", source="org/first")
    start, header, body = card.split("---\n", 2)
    assert start == ""
    assert header.splitlines() == [
        "library_name: keras-hub",
        "pipeline_tag: text-generation",
        "license: mit",
        "base_model: org/first",
        "tags:",
        "- keras",
        "- keras_gpt3",
        "- gpt3",
    ]
    assert "# Tiny\n" in body
    assert "weights began as those of `org/first`." in body
    assert "model.generate(" in body
    assert "| attention_pattern | dense, banded |" in body
    assert "| dtype | float32 |" in body
    assert f"| parameters | {model.backbone.count_params():,} |" in body


def test_every_argument_of_the_backbone_is_in_the_table():
    model = small_model()
    names = set(model.backbone.get_config()) - {"name", "trainable"}
    rows = [r.split(" |")[0] for r in model_card(model).split("\n| ")]
    assert names <= set(rows)


def test_names_no_license_and_no_source_by_itself():
    card = model_card(small_model())
    assert "license" not in card
    assert "base_model" not in card
    assert "GPT-3's own weights were never published" in card
    # Without a preprocessor it takes ids.
    assert "token_ids" in card


@pytest.mark.parametrize("edited", [False, True])
def test_an_author_s_own_card_is_kept(edited, tmp_path):
    path = tmp_path / "README.md"
    write_model_card(small_model(), tmp_path)
    own = path.read_text("utf-8")
    if edited:
        own = own.replace("<!-- ", "My words. ")
        path.write_text(own, "utf-8")
    write_model_card(small_model(num_layers=1), tmp_path)
    assert (path.read_text("utf-8") == own) is edited


def test_a_folder_with_a_card_is_a_preset(tmp_path):
    model = small_text_model()
    model.save_to_preset(str(tmp_path))
    write_model_card(model, tmp_path)
    loaded = GPT3.from_preset(str(tmp_path))
    assert loaded.backbone.get_config() == model.backbone.get_config()
