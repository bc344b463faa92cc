import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.ops import check_token_ids
from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.ops.sequence_checks import check_concrete_token_ids
from keras_gpt3.ops.sequence_checks import check_context
from keras_gpt3.ops.sequence_checks import check_sequence_length
from tests.tracing import traced

# === Sequence length check ===


TOO_LONG = (
    r"^A sequence must not be longer than max_sequence_length=4\. Received: "
    r"length=5\. Shorten it, or build the model with a larger "
    r"max_sequence_length\.$"
)


@pytest.mark.parametrize("length", [None, 0, 4])
def test_lengths_that_fit_or_are_not_known_pass(length):
    check_sequence_length(length, 4)


def test_a_length_beyond_the_context_raises():
    with pytest.raises(ValueError, match=TOO_LONG):
        check_sequence_length(5, 4)


def test_ids_beyond_the_context_raise():
    fitting = np.zeros((2, 4), "int32")
    assert check_context(fitting, 4) is fitting
    with pytest.raises(ValueError, match=TOO_LONG):
        check_context(np.zeros((2, 5), "int32"), 4)


def test_a_graph_of_unknown_length_carries_the_check():
    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)])
    def traced(token_ids):
        return check_context(token_ids, 4)

    assert traced(np.ones((2, 4), "int32")).shape == (2, 4)
    with pytest.raises(ValueError, match=TOO_LONG), one_line_errors():
        traced(np.ones((2, 5), "int32"))


# === Token id check ===


OUTSIDE = (
    "token_ids must be from 0 to below vocabulary_size=7. Received: id={}. Use "
    "the tokenizer that the model was made for, or a larger vocabulary_size."
)
INTEGERS = (
    "token_ids must be integers. Received: dtype={}. Tokenize the text, or "
    "cast the ids to int32."
)


def exactly(message):
    return f"^{re.escape(message)}$"


@pytest.mark.parametrize("kind", [list, np.asarray, ops.convert_to_tensor])
def test_ids_of_the_vocabulary_come_back_as_they_are(kind):
    ids = kind([[0, 3], [6, 1]])
    assert check_token_ids(ids, 7) is ids


@pytest.mark.parametrize("kind", [list, np.asarray, ops.convert_to_tensor])
@pytest.mark.parametrize("bad", [7, -1, 50256])
def test_an_id_outside_the_vocabulary_raises(bad, kind):
    with pytest.raises(ValueError, match=exactly(OUTSIDE.format(bad))):
        check_token_ids(kind([[0, 3], [6, bad]]), 7)


@pytest.mark.parametrize("ids", [[1.0, 2.0], [True, False], ["a"]])
def test_what_is_no_integer_raises(ids):
    dtype = np.asarray(ids).dtype
    with pytest.raises(ValueError, match=exactly(INTEGERS.format(dtype))):
        check_token_ids(ids, 7)


def map_check(ids, vocabulary_size):
    dataset = tf.data.Dataset.from_tensor_slices(ids)
    dataset = dataset.map(lambda x: check_token_ids(x, vocabulary_size))
    with one_line_errors():
        return list(dataset.as_numpy_iterator())


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "int64"]
)
def test_the_check_becomes_a_part_of_a_graph(dtype):
    ids = np.array([0, 6], dtype)
    assert map_check(ids, 7) == [0, 6]
    # More than an int16 holds.
    assert map_check(ids, 50257) == [0, 6]
    with pytest.raises(ValueError, match=exactly(OUTSIDE.format(7))):
        map_check(np.array([0, 7], dtype), 7)


def test_a_negative_id_raises_in_a_graph():
    with pytest.raises(ValueError, match=exactly(OUTSIDE.format(-1))):
        map_check(np.array([0, -1]), 7)


def test_what_is_no_integer_raises_as_a_graph_is_made():
    with pytest.raises(ValueError, match=re.escape(INTEGERS.format("float32"))):
        map_check(np.array([0.0], "float32"), 7)


def test_only_concrete_ids_are_checked_where_symbolic_ones_may_come():
    check_concrete_token_ids(keras.KerasTensor((2, 3), "int32"), 7)
    with pytest.raises(ValueError, match="token_ids must be from 0"):
        check_concrete_token_ids(np.array([7]), 7)

    @traced
    def function(ids):
        check_concrete_token_ids(ids, 7)
        return ids

    assert function(ops.convert_to_tensor([7])) == 7
