import numpy as np
import pytest

from keras_gpt3.layers.block_attention import block_attention
from keras_gpt3.ops.key_value_cache import ring_size
from tests.fixtures.numpy_forward import attention as slow_attention

HEADS, WIDTH, LENGTH = 3, 12, 14


@pytest.fixture
def projected():
    generator = np.random.default_rng(0)
    return generator.normal(size=(2, LENGTH, 3 * WIDTH)).astype("float32")


def slow(projected, window=None):
    """What numpy gives, `(batch, length, width)`."""
    heads = projected.astype("float64").reshape(2, LENGTH, 3, HEADS, -1)
    attended = slow_attention(*heads.transpose(2, 0, 3, 1, 4), window or LENGTH)
    return attended.swapaxes(1, 2).reshape(2, LENGTH, WIDTH)


@pytest.mark.parametrize("window", [None, 4])
def test_equals_attention_in_numpy(window, projected):
    received, cache = block_attention(projected, HEADS, window)
    assert cache is None
    np.testing.assert_allclose(received, slow(projected, window), atol=1e-5)


@pytest.mark.parametrize("window", [None, 4])
def test_goes_on_from_its_cache(window, projected):
    expected = slow(projected, window)
    first, cache = block_attention(
        projected[:, :9], HEADS, window, cache_index=9, cache_length=LENGTH
    )
    shape = (2, HEADS, ring_size(LENGTH, window), WIDTH // HEADS)
    assert [tuple(ring.shape) for ring in cache] == [shape] * 2
    np.testing.assert_allclose(first, expected[:, :9], atol=1e-5)
    second, _ = block_attention(
        projected[:, 9:], HEADS, window, cache=cache, cache_index=9
    )
    np.testing.assert_allclose(second, expected[:, 9:], atol=1e-5)


def test_the_scale_stands_on_the_scores(projected):
    queries = projected.copy()
    queries[..., :WIDTH] *= 0.3 * 2  # The usual scale is a half.
    received, _ = block_attention(projected, HEADS, scale=0.3)
    np.testing.assert_allclose(received, slow(queries), atol=1e-5)


def test_padding_is_not_seen(projected):
    mask = np.arange(LENGTH) < [[LENGTH], [9]]
    received, _ = block_attention(projected, HEADS, padding_mask=mask)
    changed = projected.copy()
    changed[1, 9:] = 7.0
    again, _ = block_attention(changed, HEADS, padding_mask=mask)
    np.testing.assert_array_equal(received[0], again[0])
    np.testing.assert_array_equal(received[1, :9], again[1, :9])
