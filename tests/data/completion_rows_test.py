import numpy as np
import pytest

from keras_gpt3.data.completion_dataset import OpenRows
from keras_gpt3.data.completion_dataset import first_fit


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
