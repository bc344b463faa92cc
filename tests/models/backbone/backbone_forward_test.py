from types import SimpleNamespace

import numpy as np
import pytest

from keras_gpt3.models.backbone.backbone_forward import forward
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone

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
