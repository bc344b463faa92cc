"""Tests of the check of integers."""

import dataclasses
import re

import numpy as np
import pytest

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import check_integers


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


@dataclasses.dataclass
class Section:
    rows: int = 8
    steps: int | None = None


@pytest.mark.parametrize("section", [Section(), Section(4, 1)])
def test_a_section_may_leave_out_what_its_types_let_it(section):
    check_integers(section, "log", rows=4, steps=1)


@pytest.mark.parametrize(
    "section, received",
    [
        (Section(3), "log.rows=3. Pass 4"),
        (Section(None), "log.rows=None. Pass 4"),
        (Section(steps=0), "log.steps=0. Pass 1"),
    ],
)
def test_another_integer_of_a_section_is_an_error(section, received):
    with pytest.raises(ValueError, match=f"must be an .*: {received} or more"):
        check_integers(section, "log", rows=4, steps=1)
