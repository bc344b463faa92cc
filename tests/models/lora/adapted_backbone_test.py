import re

import keras
import numpy as np
import pytest

from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model


def test_lora_adapts_the_attention_projections_and_freezes_the_rest():
    backbone = small_backbone()
    inputs, _ = small_batch()
    before = backbone(inputs)
    backbone.enable_lora(rank=2)
    names = [v.path for v in backbone.trainable_variables]
    assert len(names) == 2 * backbone.num_layers
    assert all("query_key_value/lora_kernel_" in name for name in names)
    np.testing.assert_array_equal(before, backbone(inputs))


def test_lora_takes_other_layers():
    backbone = small_backbone()
    backbone.enable_lora(2, target_layer_names=["feed_forward_output"])
    paths = [v.path for v in backbone.trainable_variables]
    assert paths
    assert all("feed_forward_output" in path for path in paths)


@pytest.mark.parametrize("names", [["query"], ["attention_norm"]])
def test_lora_that_adapts_nothing_raises_and_freezes_nothing(names):
    backbone = small_backbone()
    trainable = len(backbone.trainable_variables)
    message = (
        "target_layer_names must name layers of the backbone. Received: "
        f"target_layer_names={names}. Use some of 'query_key_value', "
        "'attention_output', 'feed_forward_intermediate', "
        "'feed_forward_output'."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        backbone.enable_lora(2, target_layer_names=names)
    assert len(backbone.trainable_variables) == trainable


def test_adapters_are_saved_loaded_and_merged(tmp_path):
    backbone, other = small_backbone(), small_backbone()
    other.set_weights(backbone.get_weights())
    backbone.enable_lora(2)
    for variable in backbone.trainable_variables:
        variable.assign(variable + 0.1)
    backbone.save_lora_weights(tmp_path / "a.lora.h5")
    other.load_lora_weights(tmp_path / "a.lora.h5")
    inputs, _ = small_batch()
    expected = backbone(inputs)
    np.testing.assert_array_equal(other(inputs), expected)
    other.merge_lora()
    assert not other.decoder_blocks[0].query_key_value.lora_enabled
    # One product instead of three.
    np.testing.assert_allclose(other(inputs), expected, atol=1e-5)


def test_adapters_of_an_int8_model_learn_as_those_of_a_plain_one():
    model = small_model(num_layers=1)
    model.backbone.enable_lora(2)
    for variable in model.trainable_variables:
        noise = np.random.default_rng(0).normal(size=variable.shape)
        variable.assign(0.1 * noise)
    before = [np.array(v) for v in model.trainable_variables]

    def update():
        for variable, value in zip(
            model.trainable_variables, before, strict=True
        ):
            variable.assign(value)
        model.compile(keras.optimizers.SGD(1.0))
        model.train_on_batch(*small_batch())
        after = [np.array(v) for v in model.trainable_variables]
        changes = [x - y for x, y in zip(after, before, strict=True)]
        return np.concatenate([change.ravel() for change in changes])

    plain = update()
    quantize(model, mode="int8")
    rounded = update()
    norms = np.linalg.norm(plain) * np.linalg.norm(rounded)
    # Of seven bits; near 0 if the head passes nothing on.
    assert plain @ rounded / norms > 0.99
