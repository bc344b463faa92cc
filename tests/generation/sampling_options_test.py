import re

import pytest

from keras_gpt3.generation import SeededSampler
from keras_gpt3.generation.sampling_settings import SAMPLING_DEFAULTS
from keras_gpt3.generation.sampling_settings import check_sampling_options


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
