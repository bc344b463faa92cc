import pytest

from keras_gpt3.planning import format_bytes


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (500_904_960, "500.9 MB"),
        (698_417_037_312, "698.4 GB"),
        (2_793_668_149_248, "2.8 TB"),
        (5 * 10**18, "5000.0 PB"),
    ],
)
def test_bytes_are_written_in_the_unit_that_keeps_them_short(num_bytes, text):
    assert format_bytes(num_bytes) == text
