import numpy as np
import pytest

from keras_gpt3.data.completion_dataset import packed_batches
from keras_gpt3.data.completion_dataset import padded_batches
from keras_gpt3.data.completion_dataset import padded_length
from keras_gpt3.data.completion_dataset import shuffled_order

CONTEXT = 40


def lengths(count=23):
    return np.random.default_rng(0).integers(2, CONTEXT + 2, count).tolist()


@pytest.mark.parametrize("make", [packed_batches, padded_batches])
def test_every_pair_stands_in_one_row_that_it_fits_into(make):
    sizes, order = lengths(), shuffled_order(23, 1, 2).tolist()
    batches = make(sizes, order, CONTEXT, batch_size=4)
    rows = [row for _, batch in batches for row in batch]
    assert sorted(sum(rows, [])) == list(range(23))
    for length, batch in batches:
        assert 1 <= len(batch) <= 4
        # The last token is only predicted.
        assert all(sum(sizes[i] for i in row) <= length + 1 for row in batch)


@pytest.mark.parametrize("make", [packed_batches, padded_batches])
def test_at_most_one_batch_is_not_full(make):
    sizes = lengths()
    batches = make(sizes, range(23), CONTEXT, batch_size=4)
    assert sum(len(batch) < 4 for _, batch in batches) <= 1


def test_pairs_of_about_a_length_share_a_batch_and_the_rest_the_last_ones():
    # Positions 4, 16, 17, 8, 31, 40, 12: the last token is not read.
    sizes = [5, 17, 18, 9, 32, 41, 13]
    batches = padded_batches(sizes, range(7), CONTEXT, batch_size=2)
    assert batches == [
        (16, [[0], [1]]),
        (32, [[2], [4]]),
        (16, [[3], [6]]),
        (40, [[5]]),
    ]
    batches = padded_batches(sizes[:4], range(4), CONTEXT, batch_size=3)
    assert batches == [(16, [[0], [1], [3]]), (32, [[2]])]
    batches = padded_batches(sizes[1:4], range(3), CONTEXT, batch_size=3)
    assert batches == [(32, [[0], [2], [1]])]


@pytest.mark.parametrize(
    ("length", "padded"), [(1, 16), (16, 16), (17, 32), (33, 40), (40, 40)]
)
def test_lengths_are_powers_of_two_up_to_the_context(length, padded):
    assert padded_length(length, CONTEXT) == padded


def test_the_order_is_a_function_of_seed_and_epoch():
    orders = {
        (seed, epoch): tuple(shuffled_order(9, seed, epoch))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(set(orders.values())) == 9
    for (seed, epoch), order in orders.items():
        assert sorted(order) == list(range(9))
        assert tuple(shuffled_order(9, seed, epoch)) == order
