import pytest

from keras_gpt3 import GPT3
from keras_gpt3.models.presets.preset_saving import model_card
from keras_gpt3.models.presets.preset_saving import write_model_card
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model


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
