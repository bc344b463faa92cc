import re

import pytest

from keras_gpt3.planning import format_bytes
from keras_gpt3.planning import parse_bytes


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


@pytest.mark.parametrize(
    ("size", "num_bytes"),
    [
        ("80GB", 80 * 10**9),
        ("80 gb", 80 * 10**9),
        ("80G", 80 * 10**9),
        ("80GiB", 80 * 2**30),
        (" 74.5 Gi ", int(74.5 * 2**30)),
        ("1.5TB", 1_500_000_000_000),
        (".5MB", 500_000),
        ("16kB", 16_000),
        ("1PiB", 2**50),
        ("123", 123),
        ("123B", 123),
        (123, 123),
        (8e10, 80 * 10**9),
    ],
)
def test_sizes_are_read_in_decimal_and_binary_units(size, num_bytes):
    assert parse_bytes(size) == num_bytes


@pytest.mark.parametrize("num_bytes", [1, 999, 80 * 10**9, 1_500_000])
def test_what_is_written_is_read_again(num_bytes):
    assert parse_bytes(format_bytes(num_bytes)) == num_bytes


@pytest.mark.parametrize(
    "size",
    ["", "GB", "eighty GB", "80 apples", "80GBB", "-1GB", "0", "1e9", "nan"]
    + [0, -5, 0.5, None, True, float("nan"), float("inf"), ["80GB"]],
)
def test_what_is_no_size_raises(size):
    message = (
        "A size of memory must be a number of bytes above 0, with or without "
        f"a unit. Received: size={size!r}. Write it as '80GB' or '74.5GiB'."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_bytes(size)
