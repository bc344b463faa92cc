import re

import pytest

from keras_gpt3.planning.micro_batch_division import check_micro_batch_divides
from keras_gpt3.planning.micro_batch_division import division_error
from keras_gpt3.planning.micro_batch_division import divisors
from keras_gpt3.planning.micro_batch_division import rows_at_once


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


def test_the_rows_at_once_are_those_of_a_micro_batch_or_all():
    assert rows_at_once(8) == 8
    assert rows_at_once(8, 2) == 2


@pytest.mark.parametrize(
    ("rows", "size", "message"),
    [
        (0, None, "batch_size must be an integer of at least 1. "),
        (8, 0, "micro_batch_size must be an integer of at least 1. "),
        (8, 3, "micro_batch_size must divide the rows of a batch on each "),
    ],
)
def test_other_rows_raise(rows, size, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        rows_at_once(rows, size)


@pytest.mark.parametrize(
    ("number", "expected"), [(1, [1]), (12, [12, 6, 4, 3, 2, 1]), (7, [7, 1])]
)
def test_divisors_come_with_the_largest_first(number, expected):
    assert divisors(number) == expected
