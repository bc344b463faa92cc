import types

import numpy as np
import pytest

from keras_gpt3.data.completion_dataset import completion_batches
from keras_gpt3.data.completion_dataset import completion_dataset

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
            (int(token), place >= data.num_given[item])
            for item in row
            for place, token in enumerate(data.sequences[item])
        ]
        tokens += [(0, False)] * (length + 1 - len(tokens))
        yield [
            (tokens[i][0], *tokens[i + 1], tokens[i][0] != 0)
            for i in range(length)
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
        expected = np.zeros((4, length, 4), "int64")
        expected[: len(rows)] = list(slow_rows(data, rows, length))
        np.testing.assert_array_equal(x["token_ids"], expected[..., 0])
        np.testing.assert_array_equal(y, expected[..., 1])
        np.testing.assert_array_equal(weights, expected[..., 2])
        np.testing.assert_array_equal(x["padding_mask"], expected[..., 3])
        assert (y.dtype, weights.dtype) == ("int32", "float32")


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
