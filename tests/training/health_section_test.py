import pytest

from keras_gpt3.training.recipe.pretraining_config import HealthSection
from tests.section_checks import check_above_0
from tests.section_checks import check_minimum


@pytest.mark.parametrize(
    "field, minimum",
    [("max_skipped_in_a_row", 1), ("spike_window", 4), ("max_rollbacks", 0)],
)
def test_an_integer_below_its_minimum_raises(field, minimum):
    check_minimum(HealthSection, f"health.{field}", minimum)


def test_deviations_are_above_0():
    check_above_0(HealthSection, "health.spike_deviations", -1.0)
