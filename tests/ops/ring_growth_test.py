import numpy as np

from keras_gpt3.ops.key_value_cache import fill_ring
from keras_gpt3.ops.ring_growth import grow_ring


def test_a_ring_that_grew_is_one_that_was_larger_from_the_start():
    keys = np.random.default_rng(0).normal(size=(2, 5, 3, 4))
    grown = grow_ring(fill_ring(keys, 5, 5), 9)
    np.testing.assert_array_equal(grown, fill_ring(keys, 9, 5))


def test_a_ring_of_the_right_size_stays():
    ring = np.ones((1, 2, 3, 4))
    np.testing.assert_array_equal(grow_ring(ring, 3), ring)
