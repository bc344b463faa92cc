import re

import pytest

from keras_gpt3 import GPT3
from keras_gpt3.models.presets.preset_saving import preset_folder
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model


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
