import re

import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation import SeededSampler
from keras_gpt3.generation.sampling_settings import SAMPLING_DEFAULTS
from keras_gpt3.generation.sampling_settings import SETTING_RANGES
from keras_gpt3.generation.sampling_settings import check_logit_bias
from keras_gpt3.generation.sampling_settings import check_sampling_number
from keras_gpt3.generation.sampling_settings import check_sampling_options
from keras_gpt3.generation.sampling_settings import check_seed
from keras_gpt3.generation.sampling_settings import logit_bias_vector

# === Sampling settings ===


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


# === Logit bias ===


def test_a_bias_comes_back_with_plain_numbers():
    checked = check_logit_bias({np.int64(3): np.float32(0.5), 0: -100})
    assert checked == {3: 0.5, 0: -100.0}
    assert {type(token_id) for token_id in checked} == {int}
    assert {type(bias) for bias in checked.values()} == {float}
    assert check_logit_bias(None) is None
    assert check_logit_bias({}) == {}


def test_the_vector_holds_each_bias_at_its_id():
    vector = logit_bias_vector({0: 1.5, 3: -2.0}, 5)
    assert vector.dtype == "float32"
    np.testing.assert_array_equal(vector, [1.5, 0, 0, -2.0, 0])


IDS = "The ids of logit_bias must be integers of at least 0. Received: id="
BIASES = "The biases of logit_bias must be numbers from -1e9 to 1e9. Received: "


@pytest.mark.parametrize(
    ("logit_bias", "message"),
    [
        (
            [3],
            "logit_bias must be a dict of token ids to numbers. Received: "
            "logit_bias=[3]. Pass {50256: -100.0}, say.",
        ),
        ({-1: 0.0}, f"{IDS}-1. Take ids from the tokenizer."),
        ({"3": 0.0}, f"{IDS}'3'. Take ids from the tokenizer."),
        ({True: 0.0}, f"{IDS}True. Take ids from the tokenizer."),
        ({3: "0"}, f"{BIASES}bias='0'. Use -1e9 to rule a token out."),
        (
            {3: float("-inf")},
            f"{BIASES}bias=-inf. Use -1e9 to rule a token out.",
        ),
        ({3: float("nan")}, f"{BIASES}bias=nan. Use -1e9 to rule a token out."),
    ],
)
def test_what_is_no_bias_raises(logit_bias, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_logit_bias(logit_bias)


def test_an_id_that_the_vocabulary_lacks_raises():
    message = (
        "The ids of logit_bias must be below vocabulary_size=5. Received: "
        "id=5. Take ids from the model's own tokenizer."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        logit_bias_vector({4: 1.0, 5: 1.0}, 5)


# === Sampling options ===


def test_the_options_are_the_arguments_of_the_sampler():
    config = set(SeededSampler().get_config())
    assert config == set(SAMPLING_DEFAULTS)


def test_options_come_back_as_python_numbers():
    given = {"temperature": 1, "top_k": 4, "seed": 3, "logit_bias": {2: 1}}
    checked = check_sampling_options(given)
    assert checked == given
    assert type(checked["temperature"]) is float


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"heat": 1.0, "top_k": 1},
            "Sampling options must be among temperature, top_k, top_p, min_p, "
            "repetition_penalty, presence_penalty, frequency_penalty, "
            "logit_bias, seed. Received: heat. Check the spelling.",
        ),
        (
            {"temperature": -1},
            "temperature must be a finite number of at least 0. Received: "
            "temperature=-1. Use 0 for greedy decoding.",
        ),
        (
            {"top_k": -1},
            "top_k must be an integer of at least 0. Received: top_k=-1. "
            "Pass 0 or more.",
        ),
        (
            {"logit_bias": [1]},
            "logit_bias must be a dict of token ids to numbers. Received: "
            "logit_bias=[1]. Pass {50256: -100.0}, say.",
        ),
        (
            {"seed": 2**31},
            "seed must be below 2147483648. Received: seed=2147483648. Take "
            "it modulo 2147483648.",
        ),
    ],
)
def test_a_wrong_option_raises(options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_sampling_options(options)
