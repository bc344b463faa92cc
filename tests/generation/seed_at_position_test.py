import keras
import numpy as np
from keras import ops

from keras_gpt3.generation.token_choice import SeedAtPosition
from tests.generation.graphs import traced


def uniform(seed, index):
    seed = SeedAtPosition(seed, index)
    return np.asarray(keras.random.uniform((5,), seed=seed))


def test_the_same_seed_and_position_draw_the_same():
    np.testing.assert_array_equal(uniform(1, 2), uniform(1, 2))
    assert (uniform(1, 2) != uniform(2, 1)).all()
    assert (uniform(1, 2) != uniform(1, 3)).all()


def test_seed_and_position_may_be_tensors_of_a_graph():
    draw = traced(
        lambda seed, index: keras.random.uniform(
            (5,), seed=SeedAtPosition(seed, index)
        )
    )
    for seed in (1, -1):
        drawn = draw(ops.convert_to_tensor(seed), ops.convert_to_tensor(2))
        np.testing.assert_array_equal(drawn, uniform(seed, 2))


def test_it_has_no_state():
    seed = SeedAtPosition(1, 2)
    np.testing.assert_array_equal(seed.next(), seed.next())
