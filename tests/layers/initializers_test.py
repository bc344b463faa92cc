import keras
import numpy as np
import pytest

from keras_gpt3.layers.initializers import normal_initializer
from keras_gpt3.layers.initializers import stored_weights_follow


def test_weights_are_normal_around_zero():
    values = keras.ops.convert_to_numpy(normal_initializer(0.5)((100, 100)))
    # The deviations of a mean and a deviation of 10,000 numbers, five times.
    assert abs(values.mean()) < 5 * 0.5 / 100
    assert abs(values.std() - 0.5) < 5 * 0.5 / 141


def test_nothing_is_drawn_where_stored_weights_follow():
    with stored_weights_follow():
        values = keras.ops.convert_to_numpy(normal_initializer(0.5)((3, 2)))
    np.testing.assert_array_equal(values, np.zeros((3, 2)))


def test_an_error_in_the_block_ends_it_too():
    with pytest.raises(KeyError):
        with stored_weights_follow():
            raise KeyError
    assert isinstance(normal_initializer(0.5), keras.initializers.RandomNormal)
