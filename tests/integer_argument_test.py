"""Tests of the check of integers."""

import re

import numpy as np
import pytest

from keras_gpt3.argument_checks import check_integer


@pytest.mark.parametrize("value", [3, 4, np.int64(3)])
def test_integers_from_the_minimum_on_pass(value):
    check_integer("size", value, minimum=3)


@pytest.mark.parametrize("value", [2, -1, 3.0, "3", None, True])
def test_anything_else_is_an_error_that_names_the_argument(value):
    message = (
        f"size must be an integer of at least 3. Received: size={value!r}. "
        "Pass 3 or more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_integer("size", value, minimum=3)
