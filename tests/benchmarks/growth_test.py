import pytest
from harness.growth import slope


@pytest.mark.parametrize("exponent", [0.5, 1, 2])
def test_the_slope_of_a_power_is_its_exponent(exponent):
    lengths = [512, 1024, 4096]
    values = [3 * length**exponent for length in lengths]
    assert slope(lengths, values) == exponent


def test_lengths_without_a_value_do_not_count():
    assert slope([1, 2, 4, 8], [3, 6, None, 24]) == 1
    assert slope([1, 2], [3, None]) is None
