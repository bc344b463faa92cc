import re

import pytest

from keras_gpt3.planning import describe
from keras_gpt3.planning.parallelism_choice import check_rows_divide
from keras_gpt3.planning.parallelism_choice import nearest_rows
from keras_gpt3.planning.parallelism_choice import rows_of_batch
from tests.planning.toy_config import TOY


def test_a_recipe_has_the_paper_s_rows():
    assert rows_of_batch(describe("gpt3_175b_en"), None, 2048) == 1536
    assert rows_of_batch(describe("gpt3_175b_en"), 4096, 1024) == 4


def test_a_config_without_a_recipe_needs_a_batch():
    with pytest.raises(ValueError, match="^batch_tokens must be given where "):
        rows_of_batch(describe(TOY), None, 16)


def test_tokens_that_make_no_whole_rows_raise():
    message = (
        "batch_tokens must be a multiple of length. Received: batch_tokens=40, "
        "length=16. Use batch_tokens=32."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rows_of_batch(describe(TOY), 40, 16)


def test_devices_that_do_not_divide_the_rows_raise_with_the_nearest():
    check_rows_divide("data", 4, rows=8, length=16)
    message = (
        "data must divide the rows of the batch. Received: data=3, "
        "batch_tokens=128, which are 8 rows of 16 tokens. Use "
        "batch_tokens=144, 9 rows."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_rows_divide("data", 3, rows=8, length=16)


@pytest.mark.parametrize(
    ("number", "rows", "expected"), [(3, 8, 9), (3, 7, 6), (8, 1, 8), (4, 8, 8)]
)
def test_the_nearest_rows_divide(number, rows, expected):
    assert nearest_rows(number, rows) == expected
