import pytest

from keras_gpt3.tokenization.text_check import truncate_left


@pytest.mark.parametrize(
    ("length", "num_kept", "expected"),
    [
        (4, 0, [1, 2, 3, 4]),
        (9, 2, [1, 2, 3, 4]),
        (3, 0, [2, 3, 4]),
        (3, 1, [1, 3, 4]),
        (3, 3, [1, 2, 3]),
        (1, 1, [1]),
        (0, 0, []),
    ],
)
def test_the_first_tokens_go_but_not_those_that_are_kept(
    length, num_kept, expected
):
    ids = [1, 2, 3, 4]
    assert truncate_left(ids, length, num_kept) == expected
    assert ids == [1, 2, 3, 4]
