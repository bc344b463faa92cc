import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops import token_chunks
from keras_gpt3.ops.token_chunks import all_chunks
from keras_gpt3.ops.token_chunks import chunk_tokens
from keras_gpt3.ops.token_chunks import weighted_chunks

WIDTH = 3


@pytest.fixture(autouse=True)
def at_most_eight(monkeypatch):
    """A vocabulary of one token makes chunks of at most eight."""
    monkeypatch.setattr(token_chunks, "_CHUNK_LOGITS", 8)


def random_tokens(length):
    generator = np.random.default_rng(length)
    states = generator.normal(size=(2, length, WIDTH)).astype("float32")
    # Some of the tokens do not count.
    weights = np.maximum(generator.normal(size=(2, length)), 0)
    return states, weights.astype("float32")


def rows_of(chunks):
    """The chunks one behind the other, as arrays."""
    return [ops.convert_to_numpy(x).reshape(-1, *x.shape[2:]) for x in chunks]


@pytest.mark.parametrize(
    ("length", "shape"), [(1, (1, 2)), (4, (1, 8)), (5, (2, 5)), (17, (5, 7))]
)
def test_all_tokens_stand_in_few_equal_chunks(length, shape):
    states, weights = random_tokens(length)
    chunks, restore = all_chunks((states, weights), vocabulary_size=1)
    assert [x.shape for x in chunks] == [(*shape, WIDTH), shape]
    rows, row_weights = rows_of(chunks)
    np.testing.assert_array_equal(rows[: 2 * length].ravel(), states.ravel())
    np.testing.assert_array_equal(rows[2 * length :], 0)
    np.testing.assert_array_equal(row_weights[2 * length :], 0)
    np.testing.assert_array_equal(restore(rows), states.reshape(-1, WIDTH))


@pytest.mark.parametrize("length", [1, 5, 17])
def test_tokens_without_a_weight_are_left_out(length):
    states, weights = random_tokens(length)
    chunks, restore = weighted_chunks((states, weights), vocabulary_size=1)
    count = np.count_nonzero(weights)
    assert count < 2 * length
    assert chunks[1].shape[1] <= 8
    rows, row_weights = rows_of(chunks)
    np.testing.assert_array_equal(row_weights[:count], weights[weights > 0])
    np.testing.assert_array_equal(row_weights[count:], 0)
    expected = np.where(weights[..., None] > 0, states, 0)
    np.testing.assert_array_equal(restore(rows), expected.reshape(-1, WIDTH))


def test_the_chunks_of_a_few_weighted_tokens_are_shorter(monkeypatch):
    weights = np.zeros((1, 64), "float32")
    weights[0, 3] = 1
    # A chunk may hold 16 tokens, in steps of 2.
    monkeypatch.setattr(token_chunks, "_CHUNK_LOGITS", 16)
    (chunk,), _ = weighted_chunks((weights,), vocabulary_size=1)
    assert chunk.shape == (1, 2)


@pytest.mark.parametrize("make", [all_chunks, weighted_chunks])
def test_no_tokens_make_one_chunk_of_padding(make):
    states, weights = random_tokens(1)
    tokens = states[:0], weights[:0]
    (chunk, _), restore = make(tokens, vocabulary_size=1)
    assert chunk.shape[0] == 1
    assert not np.any(chunk)
    assert restore(rows_of((chunk,))[0]).shape == (0, WIDTH)


@pytest.mark.parametrize(
    ("vocabulary_size", "tokens"), [(50257, 512), (2**25, 1), (2**28, 1)]
)
def test_a_chunk_is_a_power_of_two_of_bounded_size(
    vocabulary_size, tokens, monkeypatch
):
    monkeypatch.undo()
    assert chunk_tokens(vocabulary_size) == tokens
