from types import SimpleNamespace

import numpy as np
import pytest
from keras import ops

from keras_gpt3.layers.decoder_block import run_blocks
from keras_gpt3.models.backbone.backbone_forward import forward
from tests.generation.graphs import call
from tests.ops.attention.attention_check import to_float64
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch

# === Backbone forward ===


IDS = np.random.default_rng(0).integers(61, size=(2, 8))


@pytest.mark.parametrize("embedding_dim", [None, 8])
def test_is_what_the_functional_model_computes(embedding_dim):
    backbone = small_backbone(embedding_dim=embedding_dim)
    received, cache = forward(backbone, IDS)
    assert cache is None
    np.testing.assert_array_equal(received, backbone(as_inputs(IDS)))


def test_makes_a_cache_and_goes_on_with_it():
    backbone = small_backbone()
    expected, _ = forward(backbone, IDS)
    first, cache = forward(backbone, IDS[:, :5], cache_length=8, cache_end=5)
    second, _ = forward(backbone, IDS[:, 5:], cache=cache, start_index=5)
    received = np.concatenate([first, second], axis=1)
    np.testing.assert_allclose(received, expected, atol=2e-6)


@pytest.mark.parametrize("present", [False, True])
def test_layers_that_a_model_lacks_are_passed_over(present):
    def layer(name):
        return lambda x, **_: (*x, name)

    optional = ("embedding_projection", "final_norm", "output_projection")
    layers = SimpleNamespace(
        token_embedding=lambda ids: ids,
        position_embedding=lambda ids, **_: ("positions",),
        embedding_dropout=layer("dropout"),
        decoder_blocks=[layer("block")],
        **{name: layer(name) if present else None for name in optional},
    )
    received, _ = forward(layers, ("ids",))
    first, last = (optional[:1], optional[1:]) if present else ((), ())
    assert received == (
        "ids",
        *first,
        "positions",
        "dropout",
        "block",
        *last,
    )


# === Cached backbone ===


# Values up to 3. The two sides use other kernels, in another order: float32
# measured 7e-7; bfloat16, which rounds to 1/128 there, 3/128.
TOLERANCES = {"float32": 2e-6, "bfloat16": 3 / 64}


def noisy_backbone(dtype, **overrides):
    """A new model's attention adds less than bfloat16 shows; here it is heard.

    Another id at one position changes the later states by 0.5 and more.
    """
    backbone = small_backbone(dtype=dtype, **overrides)
    generator = np.random.default_rng(0)
    for weight in backbone.weights:
        noise = generator.normal(size=weight.shape, scale=0.2)
        weight.assign(weight + ops.cast(noise, weight.dtype))
    return backbone


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_the_cache_gives_what_the_whole_sequence_gives(dtype):
    backbone = noisy_backbone(dtype)
    inputs, _ = small_batch()
    expected = to_float64(call(backbone, inputs))
    token_ids = inputs["token_ids"]
    cache = backbone.make_cache(batch_size=4, length=10)
    for start, end in ((0, 5), (5, 6), (6, 8)):
        part, cache = call(
            backbone.call_with_cache, token_ids[:, start:end], cache, start
        )
        assert part.dtype == dtype
        np.testing.assert_allclose(
            to_float64(part), expected[:, start:end], atol=TOLERANCES[dtype]
        )


def test_its_parts_give_what_the_whole_gives():
    backbone = small_backbone(embedding_dim=8, dropout=0.5)
    inputs, _ = small_batch()
    hidden_states = backbone.embed(inputs)
    assert hidden_states.shape == (4, 8, backbone.hidden_dim)
    hidden_states, _ = run_blocks(
        backbone.decoder_blocks, hidden_states, inputs["padding_mask"]
    )
    expected = backbone(inputs)
    np.testing.assert_array_equal(backbone.finish(hidden_states), expected)
    assert np.any(np.array(backbone.embed(inputs, training=True)) == 0)


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_decoding_past_three_windows_gives_every_step_s_logits(dtype):
    backbone = noisy_backbone(dtype, max_sequence_length=20)
    assert 3 * backbone.attention_window < 18
    token_ids = np.random.default_rng(0).integers(61, size=(2, 20))
    whole = backbone.logits(call(backbone, as_inputs(token_ids)))
    whole = to_float64(whole)
    _, cache = call(backbone.prefill, token_ids[:, :3], 20)
    for index in range(3, 21):
        position = np.array(index, "int32")
        states, cache = call(
            backbone.decode_position, token_ids, cache, position
        )
        np.testing.assert_allclose(
            to_float64(backbone.logits(states)),
            whole[:, index - 1],
            atol=TOLERANCES[dtype],
        )
