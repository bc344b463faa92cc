import pytest

from keras_gpt3.training.recipe.pretraining_config import DevicesSection
from tests.section_checks import check_minimum


@pytest.mark.parametrize("field", ["replicas", "cpu_replicas"])
def test_a_number_below_1_raises(field):
    check_minimum(DevicesSection, f"devices.{field}", 1)
