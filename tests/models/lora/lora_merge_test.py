import re

import numpy as np
import pytest

from keras_gpt3 import GPT3
from keras_gpt3.models.lora.adapters import adapted_layers
from keras_gpt3.models.lora.adapters import adapter_parts
from tests.models.lora.lora_test import LAYERS
from tests.models.lora.lora_test import fill
from tests.models.lora.lora_test import states
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model


def adapted(backbone):
    backbone.enable_lora(2, LAYERS, lora_alpha=4)
    fill(backbone)
    return backbone


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # The compute dtype rounds to 8 bits, and so do bfloat16's own kernels.
    [("float32", 1e-5), ("mixed_bfloat16", 0.05), ("bfloat16", 0.05)],
)
def test_a_merged_backbone_answers_the_same(dtype, tolerance):
    backbone = adapted(small_backbone(dtype=dtype))
    before = states(backbone).astype("float32")
    backbone.merge_lora()
    after = states(backbone).astype("float32")
    difference = np.linalg.norm(after - before)
    assert difference <= tolerance * np.linalg.norm(before)


def test_kernels_are_merged_in_float32_whatever_the_layers_compute_in():
    backbone = small_backbone(dtype="mixed_bfloat16")
    kernel = backbone.decoder_blocks[0].query_key_value._kernel
    before = np.array(kernel)
    adapted(backbone)
    a, b = map(np.array, adapter_parts(adapted_layers(backbone)[1]))
    backbone.merge_lora()
    np.testing.assert_allclose(kernel, before + 2 * a @ b, rtol=1e-6, atol=1e-6)


def test_the_adapters_vanish_and_all_weights_can_be_trained():
    model = small_model()
    weights = [v.path for v in model.variables]
    trainable = [v.path for v in model.trainable_variables]
    adapted(model.backbone)
    model.backbone.merge_lora()
    assert adapted_layers(model.backbone) == []
    assert [v.path for v in model.variables] == weights
    assert [v.path for v in model.trainable_variables] == trainable
    before = np.array(model.backbone.token_embedding.embeddings)
    model.compile(optimizer="adam")
    model.fit(*small_batch(), verbose=0)
    assert np.any(before != model.backbone.token_embedding.embeddings)
    model.backbone.enable_lora(3)  # Once more.


def test_a_merged_model_is_saved_as_any_other(tmp_path):
    model = small_text_model()
    adapted(model.backbone)
    model.backbone.merge_lora()
    model.save_to_preset(tmp_path / "preset")
    loaded = GPT3.from_preset(str(tmp_path / "preset"))
    np.testing.assert_array_equal(
        states(loaded.backbone), states(model.backbone)
    )


@pytest.mark.slow
def test_a_model_that_decoded_before_decodes_with_the_merged_weights():
    model = small_model()
    model.compile(sampler="greedy")
    inputs = as_inputs(small_batch()[0]["token_ids"][:, :4])

    def answer():
        answer = model.generate(inputs, stop_token_ids=None, max_length=10)
        return np.array(answer["token_ids"])

    plain = answer()
    adapted(model.backbone)
    before = answer()
    assert np.any(before != plain)
    model.backbone.merge_lora()
    np.testing.assert_array_equal(answer(), before)


def test_a_backbone_without_adapters_raises():
    message = (
        "A backbone must have adapters to merge. Received: none. Call "
        "enable_lora and train them first."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        small_backbone(num_layers=1).merge_lora()


def test_a_quantized_layer_raises():
    model = small_model(num_layers=1)
    quantize(model, mode="int8")
    model.backbone.enable_lora(2)
    message = (
        "An adapted layer must not be quantized to merge its adapter. "
        "Received: layer=decoder_block_0/query_key_value in int8. Load the "
        "adapters into the model as it was before, merge, then quantize."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.backbone.merge_lora()
    assert len(adapted_layers(model.backbone)) == 1
