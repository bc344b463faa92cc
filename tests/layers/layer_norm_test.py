import keras
import numpy as np
import pytest

from keras_gpt3.layers import LayerNorm
from tests.layer_contract import check_layer_contract


def test_keeps_the_contract_of_layers():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    check_layer_contract(lambda **kwargs: LayerNorm(1e-3, **kwargs), x)


def test_has_keras_weights_and_gives_its_results():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    layer, stock = LayerNorm(), keras.layers.LayerNormalization(epsilon=1e-5)
    layer.build(x.shape)
    stock.build(x.shape)
    weights = [np.linspace(1.0, 2.0, 4), np.linspace(-1.0, 1.0, 4)]
    for each in (layer, stock):
        each.set_weights(weights)
    names = [[w.name for w in each.weights] for each in (layer, stock)]
    assert names[0] == names[1]
    # float32 rounding of values up to 4.
    np.testing.assert_allclose(layer(x), stock(x), atol=2e-6)


def test_without_scale_and_offset_has_no_weights():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    layer = LayerNorm(scale=False, center=False)
    stock = keras.layers.LayerNormalization(
        epsilon=1e-5, scale=False, center=False
    )
    # float32 rounding of values up to 2.
    np.testing.assert_allclose(layer(x), stock(x), atol=1e-6)
    assert not layer.weights


@pytest.mark.parametrize(
    "argument",
    [{"axis": 1}, {"scale": False}, {"center": False}],
)
def test_another_normalization_raises(argument):
    with pytest.raises(
        ValueError,
        match=r"^LayerNorm must normalize the last axis, with both a scale "
        r"and an offset or neither\. Received: axis=.*\. Use "
        r"keras.layers.LayerNormalization for others\.$",
    ):
        LayerNorm(**argument)
