import pytest
import tensorflow as tf

from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.graph_assertion import is_in_graph
from keras_gpt3.ops.graph_assertion import one_line_errors


@tf.function
def small(x):
    fits = x < 3
    return assert_in_graph(x, fits, "x must be small. Received: x=", x, ". Go.")


def test_a_tensor_that_carries_a_check_keeps_its_value():
    assert small(tf.constant(2)) == 2


def test_a_failed_check_is_one_line():
    with pytest.raises(
        ValueError, match=r"^x must be small\. Received: x=5\. Go\.$"
    ):
        with one_line_errors():
            small(tf.constant(5))


@pytest.mark.parametrize("error", [KeyError("a"), ValueError("b")])
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as caught, one_line_errors():
        raise error
    assert caught.value is error


def test_errors_of_tensorflow_s_own_pass():
    with pytest.raises(tf.errors.InvalidArgumentError), one_line_errors():
        tf.debugging.assert_equal(1, 2)


def test_only_tensors_of_a_graph_are_in_a_graph():
    seen = []

    @tf.function
    def traced(x):
        seen.append(is_in_graph(x))
        return x

    traced(tf.constant(1))
    assert seen == [True]
    assert not is_in_graph(tf.constant(1))
    assert not is_in_graph(3)
