import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation.token_choice import SeedAtPosition
from keras_gpt3.generation.token_choice import gumbel_noise
from tests.generation.graphs import traced


def keras_noise(seed, index, size):
    """As Keras draws it, outside XLA."""
    seed = SeedAtPosition(seed, index)
    uniform = keras.random.uniform((size,), 1e-20, 1.0, seed=seed)
    return -keras.ops.log(-keras.ops.log(uniform))


@pytest.mark.parametrize("seed", [0, -5, 2**31 - 1])
@pytest.mark.parametrize("index", [0, 3, 2047])
def test_equals_what_keras_draws(seed, index):
    noise = gumbel_noise(seed, index, 11)
    assert noise.dtype == "float32"
    np.testing.assert_array_equal(noise, keras_noise(seed, index, 11))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("seed", [4, [4, -1, 4]])
def test_a_graph_and_xla_draw_the_same(seed, compiled):
    draw = traced(
        lambda seed, index: gumbel_noise(seed, index, 11), whole=compiled
    )
    noise = draw(ops.convert_to_tensor(seed), ops.convert_to_tensor(3))
    # XLA's logarithms round otherwise; another draw would differ in all.
    np.testing.assert_allclose(noise, gumbel_noise(seed, 3, 11), rtol=1e-4)


def test_each_row_draws_by_its_own_seed():
    noise = np.asarray(gumbel_noise([4, -1, 4], 3, 11))
    assert noise.shape == (3, 11)
    for row, seed in zip(noise, [4, -1, 4], strict=True):
        np.testing.assert_array_equal(row, gumbel_noise(seed, 3, 11))


def test_seed_and_position_decide():
    first = np.asarray(gumbel_noise(1, 2, 11))
    np.testing.assert_array_equal(first, gumbel_noise(1, 2, 11))
    for other in ((2, 1), (1, 3), (3, 2)):
        assert (first != np.asarray(gumbel_noise(*other, 11))).all()


def test_follows_gumbel_s_distribution():
    noise = np.sort(gumbel_noise(0, 0, 20000))
    shares = (np.arange(20000) + 0.5) / 20000
    # Kolmogorov and Smirnov's bound that one sample in 2000 exceeds.
    assert np.abs(np.exp(-np.exp(-noise)) - shares).max() < 2.04 / 20000**0.5
