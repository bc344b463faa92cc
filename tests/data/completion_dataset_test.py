import types

import numpy as np
import pytest

from keras_gpt3.data.completion_dataset import OpenRows
from keras_gpt3.data.completion_dataset import completion_batches
from keras_gpt3.data.completion_dataset import completion_dataset
from keras_gpt3.data.completion_dataset import first_fit
from keras_gpt3.data.completion_dataset import packed_batches
from keras_gpt3.data.completion_dataset import padded_batches
from keras_gpt3.data.completion_dataset import padded_length
from keras_gpt3.data.completion_dataset import shuffled_order

# === Completion dataset ===


CONTEXT = 24
LAYOUTS = ("packed", "padded")


class Examples(types.SimpleNamespace):
    """What `completion_dataset` reads of `CompletionExamples`."""

    def __len__(self):
        return len(self.sequences)


def made(count=11):
    """Pairs of random ids, not one of them 0, as padding is."""
    generator = np.random.default_rng(count)
    sizes = generator.integers(2, CONTEXT + 2, count)
    return Examples(
        sequences=[generator.integers(1, 50, n).astype("int32") for n in sizes],
        num_given=[int(generator.integers(1, n)) for n in sizes],
        sequence_length=CONTEXT,
    )


def slow_rows(data, rows, length):
    """One token after the other: id, next id, and whether that counts."""
    for row in rows:
        tokens = [
            (int(token), place >= data.num_given[item], 1 + number)
            for number, item in enumerate(row)
            for place, token in enumerate(data.sequences[item])
        ]
        tokens += [(0, False, 0)] * (length + 1 - len(tokens))
        yield [
            (token, *tokens[i + 1][:2], token != 0, segment)
            for i, (token, _, segment) in enumerate(tokens[:-1])
        ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_batches_are_those_of_a_loop_over_tokens(layout):
    data = made()
    batches = completion_batches(data, 4, layout, seed=3, epoch=1)
    dataset = completion_dataset(data, 4, layout, seed=3, epoch=1)
    assert len(dataset) == len(batches)
    for (length, rows), (x, y, weights) in zip(
        batches, dataset.as_numpy_iterator(), strict=True
    ):
        expected = np.zeros((4, length, 5), "int64")
        expected[: len(rows)] = list(slow_rows(data, rows, length))
        np.testing.assert_array_equal(x["token_ids"], expected[..., 0])
        np.testing.assert_array_equal(y, expected[..., 1])
        np.testing.assert_array_equal(weights, expected[..., 2])
        np.testing.assert_array_equal(x["padding_mask"], expected[..., 3])
        assert (y.dtype, weights.dtype) == ("int32", "float32")
        if layout == "packed":
            np.testing.assert_array_equal(x["segment_ids"], expected[..., 4])
        assert ("segment_ids" in x) == (layout == "packed")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_weights_count_the_tokens_of_completions(layout):
    data = made()
    dataset = completion_dataset(data, 4, layout)
    total = sum(weights.sum() for _, _, weights in dataset.as_numpy_iterator())
    sequences = zip(data.sequences, data.num_given, strict=True)
    assert total == sum(len(ids) - given for ids, given in sequences)


def test_the_order_of_the_pairs_may_be_kept():
    batches = completion_batches(made(), 1, "packed", shuffle=False)
    firsts = [rows[0][0] for _, rows in batches]
    assert firsts == sorted(firsts)
    assert batches != completion_batches(made(), 1, "packed")


def test_shapes_are_known_where_they_can_be():
    packed = completion_dataset(made(), 4, "packed").element_spec
    padded = completion_dataset(made(), 4, "padded").element_spec
    assert packed[2].shape == (4, CONTEXT)
    assert padded[2].shape.as_list() == [4, None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "dense"}, r"layout must be one of \('packed', 'padded'\)."),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1."),
        ({"seed": -1}, "seed must be an integer of at least 0. Received: seed"),
        ({"epoch": 0.5}, "epoch must be an integer of at least 0. Received"),
    ],
)
def test_options_out_of_range_raise(options, message):
    with pytest.raises(ValueError, match=message):
        completion_dataset(made(), **({"batch_size": 2} | options))


# === Completion layouts ===


LAYOUT_CONTEXT = 40


def lengths(count=23):
    return (
        np.random.default_rng(0).integers(2, LAYOUT_CONTEXT + 2, count).tolist()
    )


@pytest.mark.parametrize("make", [packed_batches, padded_batches])
def test_every_pair_stands_in_one_row_that_it_fits_into(make):
    sizes, order = lengths(), shuffled_order(23, 1, 2).tolist()
    batches = make(sizes, order, LAYOUT_CONTEXT, batch_size=4)
    rows = [row for _, batch in batches for row in batch]
    assert sorted(sum(rows, [])) == list(range(23))
    for length, batch in batches:
        assert 1 <= len(batch) <= 4
        # The last token is only predicted.
        assert all(sum(sizes[i] for i in row) <= length + 1 for row in batch)


@pytest.mark.parametrize("make", [packed_batches, padded_batches])
def test_at_most_one_batch_is_not_full(make):
    sizes = lengths()
    batches = make(sizes, range(23), LAYOUT_CONTEXT, batch_size=4)
    assert sum(len(batch) < 4 for _, batch in batches) <= 1


def test_pairs_of_about_a_length_share_a_batch_and_the_rest_the_last_ones():
    # Positions 4, 16, 17, 8, 31, 40, 12: the last token is not read.
    sizes = [5, 17, 18, 9, 32, 41, 13]
    batches = padded_batches(sizes, range(7), LAYOUT_CONTEXT, batch_size=2)
    assert batches == [
        (16, [[0], [1]]),
        (32, [[2], [4]]),
        (16, [[3], [6]]),
        (40, [[5]]),
    ]
    batches = padded_batches(sizes[:4], range(4), LAYOUT_CONTEXT, batch_size=3)
    assert batches == [(16, [[0], [1], [3]]), (32, [[2]])]
    batches = padded_batches(sizes[1:4], range(3), LAYOUT_CONTEXT, batch_size=3)
    assert batches == [(32, [[0], [2], [1]])]


@pytest.mark.parametrize(
    ("length", "padded"), [(1, 16), (16, 16), (17, 32), (33, 40), (40, 40)]
)
def test_lengths_are_powers_of_two_up_to_the_context(length, padded):
    assert padded_length(length, LAYOUT_CONTEXT) == padded


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


# === Completion rows ===


def slow_first_fit(sizes, order, room):
    """Looks at every row, for each thing."""
    rows = []
    for item in order:
        for row in rows:
            if sum(sizes[i] for i in row) + sizes[item] <= room:
                row.append(item)
                break
        else:
            rows.append([item])
    return rows


@pytest.mark.parametrize("count", [1, 2, 7, 64, 100])
@pytest.mark.parametrize("room", [5, 12])
def test_each_goes_into_the_first_row_with_room(count, room):
    generator = np.random.default_rng(count)
    sizes = generator.integers(1, 6, count).tolist()
    order = generator.permutation(count).tolist()
    rows = first_fit(sizes, order, room)
    assert rows == slow_first_fit(sizes, order, room)
    assert sorted(sum(rows, [])) == list(range(count))


def test_a_row_is_full_when_nothing_is_left_of_it():
    rows = OpenRows(most=3, room=4)
    assert [rows.place(size) for size in (4, 3, 2, 1, 2)] == [0, 1, 2, 1, 2]
