import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.models.lora.adapters import adapted_layers
from keras_gpt3.models.lora.adapters import adapter_parts
from tests.models.gpt3_test import slow_greedy
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model

LAYERS = ["query_key_value", "feed_forward_output", "token_embedding"]


def fill(backbone, seed=0):
    """Gives adapters, which start at zero, values that count."""
    generator = np.random.default_rng(seed)
    for layer in adapted_layers(backbone):
        for part in adapter_parts(layer):
            part.assign(generator.normal(size=part.shape, scale=0.3))


def states(backbone):
    inputs, _ = small_batch()
    return ops.convert_to_numpy(backbone(inputs, training=False))


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
def test_only_adapters_are_trained_and_they_start_from_nothing(dtype):
    backbone = small_backbone(dtype=dtype)
    before = states(backbone)
    backbone.enable_lora(2, LAYERS)
    found = adapted_layers(backbone)
    assert [layer.path for layer in found] == [
        "decoder_block_0/feed_forward_output",
        "decoder_block_0/query_key_value",
        "decoder_block_1/feed_forward_output",
        "decoder_block_1/query_key_value",
        "token_embedding",
    ]
    # Keras leaves the biases of adapted layers trainable.
    trained = {v.path for v in backbone.trainable_variables}
    assert trained == {p.path for a in found for p in adapter_parts(a)}
    np.testing.assert_array_equal(before, states(backbone))


def test_an_adapter_counts_alpha_over_rank_times():
    backbone = small_backbone()
    kernel = backbone.decoder_blocks[0].query_key_value.kernel
    before = ops.convert_to_numpy(kernel)
    backbone.enable_lora(2, lora_alpha=6)
    fill(backbone)
    layer = adapted_layers(backbone)[0]
    assert layer.lora_alpha / layer.lora_rank == 3
    a, b = map(ops.convert_to_numpy, adapter_parts(layer))
    after = ops.convert_to_numpy(layer.kernel)
    np.testing.assert_allclose(after, before + 3 * a @ b, atol=1e-6)


@pytest.mark.parametrize("micro_batch_size", [None, 2])
def test_the_optimizer_holds_state_of_adapters_alone(micro_batch_size):
    model = small_model()
    model.backbone.enable_lora(2)
    frozen = {v.path: np.array(v) for v in model.non_trainable_variables}
    model.compile(optimizer="adam", micro_batch_size=micro_batch_size)
    model.fit(*small_batch(), epochs=2, verbose=0)
    # Two moments each, beside the step and the learning rate.
    assert len(model.optimizer.variables) == 2 + 2 * 4
    for variable in model.non_trainable_variables:
        if variable.path in frozen and "seed" not in variable.path:
            np.testing.assert_array_equal(variable, frozen[variable.path])
    assert all(
        np.any(part)
        for a in adapted_layers(model.backbone)
        for part in adapter_parts(a)
    )


def test_decoding_uses_the_adapters():
    model = small_model()
    model.compile(sampler="greedy")
    model.backbone.enable_lora(2, LAYERS)
    fill(model.backbone)
    ids = small_batch()[0]["token_ids"][:, :4]
    answer = model.generate(as_inputs(ids), stop_token_ids=None, max_length=8)
    expected = slow_greedy(model, ids, 8)
    np.testing.assert_array_equal(answer["token_ids"], expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rank": 0}, "rank must be an integer of at least 1. Received: rank"),
        (
            {"rank": 2, "lora_alpha": 0},
            "lora_alpha must be above 0. Received: lora_alpha=0. Leave it out "
            "for the rank.",
        ),
        (
            {"rank": 2, "target_layer_names": ["query_key_value", "query"]},
            "target_layer_names must name layers of the backbone. Received: "
            "target_layer_names=['query_key_value', 'query']. Use some of ",
        ),
        (
            {"rank": 2, "target_layer_names": []},
            "target_layer_names must name layers of the backbone. Received: "
            "target_layer_names=[]. Use some of ",
        ),
    ],
)
def test_wrong_arguments_raise_and_change_nothing(arguments, message):
    backbone = small_backbone()
    trainable = len(backbone.trainable_variables)
    with pytest.raises(ValueError, match=re.escape(message)):
        backbone.enable_lora(**arguments)
    assert adapted_layers(backbone) == []
    assert len(backbone.trainable_variables) == trainable


def test_a_second_time_raises():
    backbone = small_backbone(num_layers=1)
    backbone.enable_lora(2)
    message = (
        "A backbone must have no adapters before it gets some. Received: 1 of "
        "rank=2. Call merge_lora first, or build the model anew."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        backbone.enable_lora(3)
    assert (
        keras.backend.standardize_dtype(
            adapter_parts(adapted_layers(backbone)[0])[0].dtype
        )
        == "float32"
    )


def test_settings_are_those_that_adapters_were_made_with():
    backbone = small_backbone()
    assert backbone.lora_settings is None
    backbone.enable_lora(2, LAYERS, lora_alpha=3)
    assert backbone.lora_settings == {
        "rank": 2,
        "lora_alpha": 3,
        "target_layer_names": sorted(LAYERS),
    }
