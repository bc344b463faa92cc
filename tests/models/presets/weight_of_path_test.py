import re

import numpy as np
import pytest

from keras_gpt3.models.presets.weight_of_path import check_stored_shapes
from keras_gpt3.models.presets.weight_of_path import variable_of_path
from keras_gpt3.models.presets.weight_of_path import weight_of_path
from tests.parallel.meshes import distributed
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_model

# === Weight of path ===


def test_every_weight_is_found_by_its_path():
    backbone = small_backbone(embedding_dim=8)
    for weight in backbone.weights:
        assert weight_of_path(backbone, weight.path) is weight
        assert variable_of_path(backbone, weight.path) is weight


@pytest.mark.backend("jax", reason="others distribute nothing")
def test_a_padded_table_is_read_without_its_padding_and_filled_with_it():
    path = "token_embedding/embeddings"
    with distributed((1, 2)):
        backbone = small_backbone()
    assert weight_of_path(backbone, path).shape == (61, 16)
    variable = variable_of_path(backbone, path)
    assert variable is backbone.token_embedding.all_rows
    assert variable.shape == (128, 16)


def test_an_adapter_is_merged():
    backbone = small_backbone()
    path = "decoder_block_0/query_key_value/kernel"
    before = np.array(weight_of_path(backbone, path))
    backbone.enable_lora(2)
    layer = backbone.decoder_blocks[0].query_key_value
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    product = np.array(layer.lora_kernel_a) @ np.array(layer.lora_kernel_b)
    np.testing.assert_allclose(
        weight_of_path(backbone, path), before + product, rtol=1e-6
    )


def test_a_quantized_layer_is_an_error():
    model = quantize(small_model(num_layers=1), mode="int8")
    with pytest.raises(
        ValueError,
        match="must not be quantized. Received: decoder_block_0/attention_"
        "output/kernel in int8. Use the model as it was before quantize",
    ):
        weight_of_path(
            model.backbone, "decoder_block_0/attention_output/kernel"
        )


# === Stored shapes ===


SAVED = {"num_layers": 2, "hidden_dim": 16, "position_offset": 2}


@pytest.mark.parametrize(
    "overrides", [{}, {"dropout": 0.1}, {"num_layers": 2, "position_offset": 2}]
)
def test_overrides_that_change_no_shape_pass(overrides):
    check_stored_shapes(SAVED, overrides)


@pytest.mark.parametrize(
    ("overrides", "received", "stored"),
    [
        (
            {"num_layers": 3, "dropout": 0.1, "hidden_dim": 8},
            "num_layers=3, hidden_dim=8",
            "num_layers=2, hidden_dim=16",
        ),
        ({"position_offset": 0}, "position_offset=0", "position_offset=2"),
    ],
)
def test_overrides_that_change_a_shape_raise(overrides, received, stored):
    message = (
        "Overrides must not change the shape of stored weights. Received: "
        f"{received} where the preset has {stored}. Pass load_weights=False "
        "to start from new weights."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_stored_shapes(SAVED, overrides)
