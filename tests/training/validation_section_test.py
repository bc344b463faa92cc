import pytest

from keras_gpt3.training.validation_section import ValidationSection
from tests.section_checks import check_minimum


@pytest.mark.parametrize("field", ["every_steps", "max_batches", "batch_size"])
def test_an_integer_below_1_raises(field):
    check_minimum(ValidationSection, f"validation.{field}", 1)
