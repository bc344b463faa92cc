"""A user's subclass, from the folder that it was saved in."""

import shutil

import keras
import keras_hub
import numpy as np
import pytest

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Backbone
from tests.small_gpt3 import small_text_model


# keras-hub loads presets of a backbone as any class that is registered for it.
# This one is not, outside its tests.
@keras.saving.register_keras_serializable(package="tests")
class WithAValueHead(GPT3):
    """Has an argument and a layer of its own."""

    backbone_cls = None

    def __init__(self, backbone, preprocessor=None, scale=1.0, **kwargs):
        super().__init__(backbone, preprocessor, **kwargs)
        self.scale = scale
        self.value_head = keras.layers.Dense(1, name="value_head")
        self.value_head.build((None, None, backbone.hidden_dim))

    def values(self, inputs):
        return self.scale * self.value_head(self.backbone(inputs))

    def get_config(self):
        return super().get_config() | {"scale": self.scale}


class Plain(GPT3):
    """Takes no more than it must, and is not registered."""

    def __init__(self, backbone, preprocessor=None):
        super().__init__(backbone, preprocessor)


@pytest.fixture(autouse=True)
def of_the_backbone(monkeypatch):
    monkeypatch.setattr(WithAValueHead, "backbone_cls", GPT3Backbone)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preset")
    parts = small_text_model(num_layers=1)
    model = WithAValueHead(parts.backbone, parts.preprocessor, scale=3.0)
    model.save_to_preset(folder)
    return folder, model


@pytest.mark.parametrize("cls", [WithAValueHead, keras_hub.models.CausalLM])
def test_it_keeps_its_argument_and_its_layer(cls, saved):
    folder, model = saved
    copy = cls.from_preset(str(folder))
    assert type(copy) is WithAValueHead
    assert copy.scale == 3.0
    inputs, _, _ = model.preprocessor(["hello world"])
    np.testing.assert_array_equal(copy.values(inputs), model.values(inputs))
    assert copy.preprocessor.tokenizer(["hello"]) == (
        model.preprocessor.tokenizer(["hello"])
    )


def test_overrides_and_new_weights_reach_it(saved):
    folder, model = saved
    copy = WithAValueHead.from_preset(
        folder, load_weights=False, preprocessor=None, dropout=0.5
    )
    assert (copy.scale, copy.backbone.dropout) == (3.0, 0.5)
    assert copy.preprocessor is None
    kernels = copy.value_head.kernel, model.value_head.kernel
    assert np.any(np.array(kernels[0]) != np.array(kernels[1]))


def test_a_folder_of_another_class_gives_it_the_defaults(saved, tmp_path):
    small_text_model(num_layers=1).save_to_preset(tmp_path)
    assert WithAValueHead.from_preset(tmp_path).scale == 1.0
    assert type(GPT3.from_preset(saved[0])) is GPT3


def test_a_class_that_names_few_arguments_is_made_of_them(tmp_path):
    parts = small_text_model(num_layers=1)
    Plain(parts.backbone, parts.preprocessor).save_to_preset(tmp_path)
    assert type(Plain.from_preset(tmp_path)) is Plain


@pytest.mark.parametrize("keep", [0, 1000])
def test_a_damaged_file_of_its_layer_is_one_line(keep, saved, tmp_path):
    shutil.copytree(saved[0], tmp_path, dirs_exist_ok=True)
    file = tmp_path / "task.weights.h5"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match="task.weights.h5: Un") as error:
        WithAValueHead.from_preset(tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_file_of_its_layer_is_no_random_layer(saved, tmp_path):
    shutil.copytree(saved[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "task.weights.h5").unlink()
    with pytest.raises(FileNotFoundError) as error:
        WithAValueHead.from_preset(tmp_path)
    assert str(error.value) == (
        "A preset of a subclass with weights of its own must hold them. "
        f"Received: preset='{tmp_path}', without task.weights.h5. Copy the "
        "whole folder that save_to_preset wrote, or pass load_weights=False."
    )
    WithAValueHead.from_preset(tmp_path, load_weights=False)
