import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation.decode_loop import decode_until
from keras_gpt3.generation.decode_loop import loop_variables
from keras_gpt3.generation.decode_loop import start_decoding
from keras_gpt3.generation.decode_loop import without_state


def test_a_function_returns_what_it_would_have_assigned():
    count = keras.Variable([5])

    def add(number):
        count.assign_add([number])
        return count.value * 10

    stateless = without_state(add, [count])
    found, (value,) = stateless((ops.convert_to_tensor([1]),), 2)
    np.testing.assert_array_equal(found, [30])
    np.testing.assert_array_equal(value, [3])
    np.testing.assert_array_equal(count.value, [5])


def test_without_variables_a_function_is_called_as_it_is():
    assert without_state(max, [])((), 2, 3) == (3, ())


@pytest.mark.backend("tensorflow", reason="its loops assign")
def test_tensorflow_s_loops_need_none():
    assert loop_variables([keras.Variable([5])]) == []


def test_a_choice_may_assign_within_a_loop():
    count = keras.Variable([0])

    def choose(logits, index):
        count.assign_add([1])
        return ops.repeat(count.value, 2)

    ids = np.array([[7, 0, 0, 0], [8, 0, 0, 0]], "int32")
    mask = np.arange(4) < np.array([[1], [1]])
    state = decode_until(
        4,
        lambda ids, cache, index: (ops.zeros((2, 9)), cache),
        choose,
        start_decoding(ids, mask, ()),
        mask,
        [],
        variables=[count],
    )
    np.testing.assert_array_equal(state.token_ids[:, 1:], [[1, 2, 3]] * 2)
    np.testing.assert_array_equal(count.value, [3])
