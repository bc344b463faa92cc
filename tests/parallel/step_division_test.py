import re

import pytest

from keras_gpt3.parallel.step_division import check_micro_batch_divides
from keras_gpt3.parallel.step_division import division_error
from keras_gpt3.parallel.step_division import micro_batch_groups
from keras_gpt3.parallel.step_division import stage_layers


@pytest.mark.parametrize(
    ("num_layers", "stages", "lengths"),
    [(4, 1, [4]), (4, 2, [2, 2]), (5, 2, [2, 3]), (6, 4, [1, 1, 2, 2])],
)
def test_the_first_stages_are_the_shorter_ones(num_layers, stages, lengths):
    layers = stage_layers(num_layers, stages)
    assert [len(each) for each in layers] == lengths
    assert [i for each in layers for i in each] == list(range(num_layers))


@pytest.mark.parametrize(
    ("stages", "micro_batches", "expected"),
    [(1, 5, (5, 1)), (2, 0, (0, 0)), (2, 8, (1, 8)), (2, 9, (2, 5))]
    + [(3, 64, (6, 11)), (8, 1000, (32, 32))],
)
def test_groups_are_as_few_and_as_equal_as_can_be(
    stages, micro_batches, expected
):
    assert micro_batch_groups(stages, micro_batches) == expected


@pytest.mark.parametrize(("size", "rows"), [(3, 6), (1, 7), (7, 7)])
def test_a_divisor_passes(size, rows):
    check_micro_batch_divides(size, rows)


@pytest.mark.parametrize(("size", "rows"), [(3, 7), (8, 4)])
def test_any_other_size_raises(size, rows):
    message = (
        "micro_batch_size must divide the rows of a batch on each replica. "
        f"Received: rows={rows}, micro_batch_size={size}. Use a divisor, or "
        "drop the batch that is not full."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_micro_batch_divides(size, rows)


def test_the_text_leaves_room_for_the_rows():
    before, after = division_error(3)
    assert before.endswith("Received: rows=")
    assert after.startswith(", micro_batch_size=3. Use ")
