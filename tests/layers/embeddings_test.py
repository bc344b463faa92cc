import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from keras.quantizers import Int4QuantizationConfig
from keras.quantizers import Int8QuantizationConfig

from keras_gpt3.layers import PositionEmbedding
from keras_gpt3.layers.embeddings import PaddedEmbedding
from keras_gpt3.layers.embeddings import ReversibleEmbedding
from keras_gpt3.layers.embeddings import check_sequence_length
from tests.gradients import gradients
from tests.layer_contract import check_layer_contract
from tests.tracing import at_once

# === Padded embedding ===


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


# === Position embedding ===


TOKEN_IDS = np.zeros((2, 5), "int32")


def test_position_embedding_keeps_the_contract_of_layers():
    check_layer_contract(
        functools.partial(
            PositionEmbedding,
            8,
            hidden_dim=4,
            initializer=keras.initializers.RandomNormal(stddev=0.3),
            offset=2,
            skip_padding=True,
        ),
        TOKEN_IDS,
    )


def test_gives_the_rows_of_its_table_from_the_start_on():
    layer = PositionEmbedding(8, hidden_dim=4)
    table = np.asarray(layer(np.zeros((1, 8), "int32")))
    np.testing.assert_array_equal(table, layer.table.embeddings)
    np.testing.assert_array_equal(layer(TOKEN_IDS), table[:5])
    for start in (3, ops.convert_to_tensor(3)):
        later = layer(TOKEN_IDS, start_index=start)
        np.testing.assert_array_equal(later, table[3:])


def test_padding_takes_no_position_where_it_is_skipped():
    layer = PositionEmbedding(8, hidden_dim=4, offset=2, skip_padding=True)
    mask = np.array([[0, 0, 1, 1, 1], [1, 0, 1, 1, 0]], "bool")
    rows = np.asarray(layer(TOKEN_IDS, padding_mask=mask))
    table = np.asarray(layer.table.embeddings)
    assert len(table) == 10
    # As OPT counts: tokens so far, and row 1 for padding.
    np.testing.assert_array_equal(rows[0], table[[1, 1, 2, 3, 4]])
    np.testing.assert_array_equal(rows[1], table[[2, 1, 3, 4, 1]])
    # Without a mask all are tokens.
    np.testing.assert_array_equal(layer(TOKEN_IDS), table[2:7])
    symbol = layer(
        keras.KerasTensor((2, 5), "int32"),
        padding_mask=keras.KerasTensor((2, 5), "bool"),
    )
    assert symbol.shape == (2, 5, 4)


def slow_positions(segment_ids, is_token):
    """Tokens of its segment before each position; -1 for padding."""
    positions = []
    for row, tokens in zip(segment_ids, is_token, strict=True):
        for place in range(len(row)):
            start = place
            while start > 0 and row[start - 1] == row[place]:
                start -= 1
            count = int(tokens[start:place].sum())
            positions.append(count if tokens[place] else -1)
    return np.reshape(positions, np.shape(segment_ids))


@pytest.mark.parametrize("skip_padding", [False, True])
def test_positions_start_again_with_each_segment(skip_padding):
    layer = PositionEmbedding(
        8, hidden_dim=4, offset=2, skip_padding=skip_padding
    )
    segments = np.array(
        [[1, 1, 1, 2, 3, 3, 3], [5, 4, 4, 4, 4, 4, 0], [0] * 7], "int32"
    )
    ids, mask = np.zeros_like(segments), np.ones(segments.shape, "bool")
    if skip_padding:
        mask = np.random.default_rng(0).random(mask.shape) < 0.6
    received = layer(ids, padding_mask=mask, segment_ids=segments)
    table = np.asarray(layer.table.embeddings)
    expected = table[2 + slow_positions(segments, mask)]
    np.testing.assert_array_equal(received, expected)
    symbol = layer(
        keras.KerasTensor((2, 5), "int32"),
        segment_ids=keras.KerasTensor((2, 5), "int32"),
    )
    assert symbol.shape == (2, 5, 4)


def test_skipping_padding_needs_a_row_for_it():
    message = r"^offset must be an integer of at least 1\. Received: offset=0\."
    with pytest.raises(ValueError, match=message):
        PositionEmbedding(8, hidden_dim=4, skip_padding=True)


@pytest.mark.backend("tensorflow", reason="JAX knows every length.")
def test_takes_sequences_of_a_length_not_known():
    layer = PositionEmbedding(8, hidden_dim=4)
    layer.build((None, None))
    traced = tf.function(
        layer, input_signature=[tf.TensorSpec((None, None), tf.int32)]
    )
    np.testing.assert_array_equal(traced(TOKEN_IDS), layer(TOKEN_IDS))
    segments = np.array([[1, 1, 2, 2, 3], [1, 2, 2, 2, 2]], "int32")
    ids = tf.TensorSpec((None, None), tf.int32)
    traced = tf.function(
        lambda ids, segments: layer(ids, segment_ids=segments),
        input_signature=[ids, ids],
    )
    np.testing.assert_array_equal(
        traced(TOKEN_IDS, segments), layer(TOKEN_IDS, segment_ids=segments)
    )


@pytest.mark.parametrize("kind", [np.asarray, keras.KerasTensor])
def test_a_sequence_longer_than_the_table_raises(kind):
    message = (
        "A sequence must not be longer than max_sequence_length=4. Received: "
        "length=5. Shorten it, or build the model with a larger "
        "max_sequence_length."
    )
    inputs = TOKEN_IDS if kind is np.asarray else kind((2, 5), "int32")
    with pytest.raises(ValueError, match=re.escape(message)):
        PositionEmbedding(4, hidden_dim=4)(inputs)


def test_a_length_that_is_not_known_or_fits_passes():
    for length in (None, 0, 4):
        check_sequence_length(length, 4)
    with pytest.raises(ValueError, match=r"Received: length=5\. Shorten"):
        check_sequence_length(5, 4)


# === Reversible embedding ===


CONFIGS = {
    "int8": Int8QuantizationConfig(),
    "int8, weights alone": Int8QuantizationConfig(activation_quantizer=None),
    "int4": Int4QuantizationConfig(block_size=None),
    "int4 in groups": Int4QuantizationConfig(block_size=3),
}


def quantized(config, dtype="float32", lora=False):
    # An odd width: int4 packs two numbers into a byte.
    layer = ReversibleEmbedding(
        6, 7, embeddings_initializer="he_normal", dtype=dtype
    )
    layer.build()
    if lora:
        layer.enable_lora(2, lora_alpha=3.0, b_initializer="he_normal")
    layer.quantize(config.mode, config=config)
    return layer


def table(layer):
    """What a look-up gives for each id: Keras' own arithmetic."""
    return np.array(ops.cast(layer(np.arange(6, dtype="int32")), "float32"))


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_reversible_embedding_keeps_the_contract_of_layers():
    check_layer_contract(
        lambda **kwargs: ReversibleEmbedding(6, 4, **kwargs), IDS
    )


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.quick_cases(2)
def test_the_gradient_of_a_quantized_head_is_that_of_its_table(config, lora):
    layer, upstream = quantized(config, lora=lora), normal(2, 3, 6)
    (found,) = at_once(
        lambda x: gradients(
            lambda x: layer(x, reverse=True), x, upstream=upstream
        )
    )(normal(2, 3, 7))
    np.testing.assert_allclose(found, upstream @ table(layer), atol=1e-5)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.quick_cases(1)
def test_the_gradient_has_the_dtype_of_the_inputs(config):
    layer = quantized(config, "mixed_bfloat16")
    upstream = normal(2, 3, 6)
    states = ops.cast(normal(2, 3, 7), "bfloat16")
    (found,) = gradients(
        lambda x: layer(x, reverse=True), states, upstream=upstream
    )
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    # Seven products of eight bits each.
    np.testing.assert_allclose(
        ops.cast(found, "float32"), upstream @ table(layer), atol=0.1
    )


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_quantized_head_counts_the_adapter_of_its_table(config):
    layer, states = quantized(config, lora=True), normal(2, 3, 7)
    logits = layer(states, reverse=True)
    # Inputs of up to 3 are rounded to 127 steps.
    np.testing.assert_allclose(logits, states @ table(layer).T, atol=0.1)
    assert np.any(np.abs(np.array(layer.lora_embeddings_b)) > 0.1)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.quick_cases(2)
def test_vectors_and_floats_are_those_of_keras(config):
    layer, values = ReversibleEmbedding(6, 7), normal(6, 7)
    expected = keras.layers.ReversibleEmbedding(6, 7)
    for one in (layer, expected):
        one.build()
        one.embeddings.assign(values)
        one.quantize(config.mode, config=config)
    np.testing.assert_allclose(layer(IDS), expected(IDS), atol=1e-6)
    floats = layer.float_weights()
    if config.activation_quantizer is not None:
        assert floats is None
    else:
        np.testing.assert_allclose(floats, table(layer), atol=1e-6)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.quick_cases(2)
def test_a_quantized_table_of_a_mixed_policy_gives_its_compute_dtype(config):
    tokens = quantized(config, "mixed_bfloat16")
    positions = PositionEmbedding(6, hidden_dim=7, dtype="mixed_bfloat16")
    positions.build(IDS.shape)
    positions.table.quantize(config.mode, config=config)
    # Within a layer that casts weights: for an embedding Keras stops that.
    sum_of_both = keras.layers.Lambda(
        lambda ids: tokens(ids) + positions(ids), dtype="mixed_bfloat16"
    )
    for layer in (tokens, positions, sum_of_both):
        found = layer(ops.convert_to_tensor(IDS))
        assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
