import re

import keras
import numpy as np
import pytest

from keras_gpt3.layers.embeddings import PaddedEmbedding
from tests.layer_contract import check_layer_contract

IDS = np.array([[0, 4, 2]], "int32")


def padded(**arguments):
    layer = PaddedEmbedding(5, 4, num_rows=8, **arguments)
    layer.build()
    return layer


def plain_with_the_same_weights(layer):
    plain = keras.layers.ReversibleEmbedding(5, 4)
    plain.build()
    plain.embeddings.assign(layer.embeddings)
    return plain


def test_keeps_the_contract_of_layers():
    check_layer_contract(
        lambda **kwargs: PaddedEmbedding(
            5, 4, 8, embeddings_initializer="he_normal", **kwargs
        ),
        IDS,
    )


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_gives_what_an_embedding_without_padding_gives(dtype):
    layer = padded(dtype=dtype)
    plain = plain_with_the_same_weights(layer)
    plain.dtype_policy = dtype
    vectors = layer(IDS)
    np.testing.assert_array_equal(
        keras.ops.cast(vectors, "float32"),
        keras.ops.cast(plain(IDS), "float32"),
    )
    logits = layer(vectors, reverse=True)
    assert logits.shape == (1, 3, 5)
    assert logits.dtype == layer.compute_dtype
    np.testing.assert_allclose(
        keras.ops.cast(logits, "float32"),
        keras.ops.cast(plain(vectors, reverse=True), "float32"),
        rtol=1e-6,
    )


def test_draws_what_an_embedding_without_padding_draws():
    layers = [
        kind(
            embeddings_initializer=keras.initializers.RandomNormal(seed=3),
            **arguments,
        )
        for kind, arguments in (
            (padded, {}),
            (
                keras.layers.ReversibleEmbedding,
                {"input_dim": 5, "output_dim": 4},
            ),
        )
    ]
    layers[1].build()
    np.testing.assert_array_equal(*(layer.embeddings for layer in layers))
    np.testing.assert_array_equal(layers[0].all_rows[5:], 0.0)


def test_the_rows_are_not_counted_and_not_saved():
    layer, store = padded(), {}
    assert layer.count_params() == 20
    layer.save_own_variables(store)
    plain = keras.layers.ReversibleEmbedding(5, 4)
    plain.build()
    plain.load_own_variables(store)
    np.testing.assert_array_equal(plain.embeddings, layer.embeddings)

    layer.all_rows.assign(layer.all_rows + 1.0)
    layer.load_own_variables(store)
    np.testing.assert_array_equal(layer.embeddings, plain.embeddings)
    np.testing.assert_array_equal(layer.all_rows[5:], 0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: PaddedEmbedding(5, 4, num_rows=4),
            "num_rows must be at least input_dim. Received: num_rows=4, "
            "input_dim=5. Use a larger multiple of the number of devices.",
        ),
        (
            lambda: padded().quantize("int8"),
            "mode must be None for a token embedding that is padded for "
            "several devices. Received: mode='int8'. Quantize the model "
            "without a distribution.",
        ),
        (
            lambda: padded().enable_lora(2),
            "rank must be None for a token embedding that is padded for "
            "several devices. Received: rank=2. Adapt the layers of the "
            "blocks.",
        ),
    ],
)
def test_refuses_what_it_cannot_do(make, message):
    with pytest.raises(
        (ValueError, NotImplementedError), match=re.escape(message)
    ):
        make()


@pytest.mark.parametrize(
    "argument",
    [
        {"tie_weights": False},
        {"logit_soft_cap": 0.001},
        {"reverse_dtype": "float32"},
        {"embeddings_constraint": "non_neg"},
    ],
)
def test_refuses_what_its_parent_alone_heeds(argument):
    (name,) = argument
    with pytest.raises(TypeError, match=f"unexpected keyword.* '{name}'"):
        padded(**argument)
