import re

import pytest

from keras_gpt3.training.recipe.pretraining_config import ValidationSection
from tests.section_checks import check_minimum


@pytest.mark.parametrize("field", ["every_steps", "max_batches", "batch_size"])
def test_an_integer_below_1_raises(field):
    check_minimum(ValidationSection, f"validation.{field}", 1)


@pytest.mark.parametrize(
    "num_steps, every", [(10**6, 500), (400, 20), (50, 2), (3, 1)]
)
def test_the_interval_follows_the_run(num_steps, every):
    section = ValidationSection()
    assert section.every_steps == "auto"
    assert section.resolved(num_steps).every_steps == every
    for given in (None, 7):
        section = ValidationSection(every_steps=given)
        assert section.resolved(num_steps).every_steps == given


def test_another_word_for_the_interval_raises():
    message = (
        "validation.every_steps must be an integer, 'auto' or None. Received: "
        "validation.every_steps='often'. Leave it out for 20 in a run."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ValidationSection(every_steps="often")
