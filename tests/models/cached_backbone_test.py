import numpy as np

from tests.generation.graphs import call
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch


def test_the_cache_gives_what_the_whole_sequence_gives():
    backbone = small_backbone()
    inputs, _ = small_batch()
    expected = call(backbone, inputs)
    token_ids = inputs["token_ids"]
    cache = backbone.make_cache(batch_size=4, length=10)
    for start, end in ((0, 5), (5, 6), (6, 8)):
        part, cache = call(
            backbone.call_with_cache, token_ids[:, start:end], cache, start
        )
        # Other kernels compute it, in another order.
        np.testing.assert_allclose(part, expected[:, start:end], atol=2e-6)


def test_its_parts_give_what_the_whole_gives():
    backbone = small_backbone(embedding_dim=8, dropout=0.5)
    inputs, _ = small_batch()
    hidden_states = backbone.embed(inputs)
    assert hidden_states.shape == (4, 8, backbone.hidden_dim)
    for block in backbone.decoder_blocks:
        hidden_states = block(hidden_states, inputs["padding_mask"])
    expected = backbone(inputs)
    np.testing.assert_array_equal(backbone.finish(hidden_states), expected)
    assert np.any(np.array(backbone.embed(inputs, training=True)) == 0)


def test_decoding_past_three_windows_gives_every_step_s_logits():
    backbone = small_backbone(max_sequence_length=20)
    assert 3 * backbone.attention_window < 18
    token_ids = np.random.default_rng(0).integers(61, size=(2, 20))
    whole = backbone.logits(call(backbone, as_inputs(token_ids)))
    _, cache = call(backbone.prefill, token_ids[:, :3], 20)
    for index in range(3, 21):
        position = np.array(index, "int32")
        states, cache = call(
            backbone.decode_position, token_ids, cache, position
        )
        np.testing.assert_allclose(
            backbone.logits(states), whole[:, index - 1], atol=2e-6
        )
