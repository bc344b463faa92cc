import re

import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation.sampling_settings import SETTING_RANGES
from keras_gpt3.generation.sampling_settings import check_sampling_number
from keras_gpt3.generation.sampling_settings import check_seed

# Name to what is said, the remedy, what is allowed, and what is not.
RANGES = {
    "temperature": (
        "of at least 0",
        "Use 0 for greedy decoding.",
        [0, 0.0, 1e-3, 5],
        [-1e-9, -0.5],
    ),
    "top_p": (
        "above 0 and at most 1",
        "Use 1.0 to draw among all tokens.",
        [1e-9, 0.5, 1],
        [0.0, -0.5, 1.0001],
    ),
    "min_p": (
        "of at least 0 and below 1",
        "Use 0.0 to draw among all tokens.",
        [0, 0.5, 0.9999],
        [-1e-9, 1.0],
    ),
    "repetition_penalty": (
        "above 0",
        "Use 1.0 for no penalty.",
        [1e-3, 1, 2.5],
        [0.0, -1.0],
    ),
    "presence_penalty": (
        "from -2 to 2",
        "Use 0.0 for no penalty.",
        [-2, 0, 2.0],
        [-2.1, 2.1],
    ),
    "frequency_penalty": (
        "from -2 to 2",
        "Use 0.0 for no penalty.",
        [-2, 0, 2.0],
        [-2.1, 2.1],
    ),
}
NO_NUMBERS = [float("nan"), float("inf"), "1", None, True]


def printed(value):
    """A number as a graph prints it."""
    return f"{value:g}" if type(value) in (int, float) else repr(value)


@pytest.mark.parametrize("name", RANGES)
def test_a_number_in_its_range_comes_back_as_a_float(name):
    for value in (*RANGES[name][2], np.float32(0.5)):
        checked = check_sampling_number(name, value)
        assert checked == value and type(checked) is float


@pytest.mark.parametrize("name", RANGES)
def test_what_is_out_of_its_range_raises(name):
    allowed, remedy, _, wrong = RANGES[name]
    for value in (*wrong, *NO_NUMBERS):
        message = (
            f"{name} must be a finite number {allowed}. Received: "
            f"{name}={printed(value)}. {remedy}"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            check_sampling_number(name, value)


@pytest.mark.parametrize("name", RANGES)
def test_a_range_is_asked_about_a_whole_batch(name):
    right, wrong = RANGES[name][2:]
    x = ops.convert_to_tensor([*right, *wrong, float("nan")], "float32")
    contained = np.asarray(SETTING_RANGES[name].contains(x))
    assert contained.tolist() == [True] * len(right) + [False] * (
        len(wrong) + 1
    )


@pytest.mark.parametrize("seed", [0, 2**31 - 1, np.int64(7)])
def test_a_seed_comes_back_as_an_int(seed):
    assert check_seed(seed) == seed and type(check_seed(seed)) is int


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        (
            2**31,
            "seed must be below 2147483648. Received: seed=2147483648. Take "
            "it modulo 2147483648.",
        ),
        (
            0.5,
            "seed must be an integer of at least 0. Received: seed=0.5. Pass 0 "
            "or more.",
        ),
        (
            -1,
            "seed must be an integer of at least 0. Received: seed=-1. Pass 0 "
            "or more.",
        ),
    ],
)
def test_what_no_draw_takes_as_a_seed_raises(seed, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_seed(seed)
