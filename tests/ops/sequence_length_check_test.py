import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.ops.sequence_checks import check_context
from keras_gpt3.ops.sequence_checks import check_sequence_length

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
