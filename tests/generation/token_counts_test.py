import numpy as np
import pytest
from keras import KerasTensor

from keras_gpt3.generation.token_penalties import count_tokens
from tests.generation.graphs import traced

VOCABULARY_SIZE = 11


def slow_count_tokens(token_ids, mask):
    counts = np.zeros((len(token_ids), VOCABULARY_SIZE), "int32")
    for row, ids in enumerate(token_ids):
        for position, token_id in enumerate(ids):
            if mask[row, position]:
                counts[row, token_id] += 1
    return counts


def count_in_vocabulary(token_ids, mask):
    return count_tokens(token_ids, mask, VOCABULARY_SIZE)


def counted(batch, length):
    """Ids that repeat, and garbage outside the vocabulary where masked."""
    generator = np.random.default_rng(length)
    token_ids = generator.integers(0, 4, (batch, length), "int32")
    mask = generator.random((batch, length)) < 0.7
    garbage = generator.choice([-1, VOCABULARY_SIZE, 10**6], (batch, length))
    return np.where(mask, token_ids, garbage).astype("int32"), mask


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("length", [1, 7, 40])
def test_equals_counting_one_by_one(length, compiled):
    token_ids, mask = counted(3, length)
    expected = slow_count_tokens(token_ids, mask)
    eager = count_tokens(token_ids, mask, VOCABULARY_SIZE)
    assert eager.dtype == "int32"
    np.testing.assert_array_equal(eager, expected)
    count = traced(count_in_vocabulary, whole=compiled)
    np.testing.assert_array_equal(count(token_ids, mask), expected)


def test_batch_and_length_may_be_unknown_to_a_graph():
    count = traced(
        count_in_vocabulary,
        signature=[
            KerasTensor((None, None), "int32"),
            KerasTensor((None, None), "bool"),
        ],
    )
    for batch, length in ((1, 5), (4, 9), (2, 0)):
        token_ids, mask = counted(batch, length)
        np.testing.assert_array_equal(
            count(token_ids, mask), slow_count_tokens(token_ids, mask)
        )


def test_one_mask_may_serve_all_rows():
    token_ids, _ = np.tile([[3, 3, 1, 3]], (2, 1)), None
    mask = np.array([[True, True, True, False]])
    expected = slow_count_tokens(token_ids, np.repeat(mask, 2, axis=0))
    np.testing.assert_array_equal(
        count_tokens(token_ids, mask, VOCABULARY_SIZE), expected
    )
