import re

import pytest

from keras_gpt3.training.recipe.pretraining_config import LogSection
from tests.section_checks import check_above_0
from tests.section_checks import check_minimum


def test_a_line_is_written_every_so_many_steps():
    check_minimum(LogSection, "log.every_steps", 1)


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_operations_a_second_are_above_0(value):
    check_above_0(LogSection, "log.peak_flops", value)


def test_operations_a_second_are_no_text():
    message = (
        "log.peak_flops must be a number or 'measure'. Received: "
        "log.peak_flops='1 PF'. Write FLOP/s such as 312e12."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        LogSection(peak_flops="1 PF")
