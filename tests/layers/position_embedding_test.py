import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.layers import PositionEmbedding
from keras_gpt3.layers.embeddings import check_sequence_length
from tests.layer_contract import check_layer_contract

TOKEN_IDS = np.zeros((2, 5), "int32")


def test_keeps_the_contract_of_layers():
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
