"""Settings of sampling, with their checks.

Python, the signatures of an export and a server reject the same values with
the same words: the texts come in two parts, before and after the value.
"""

import math
import numbers
import typing

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed


class SettingRange(typing.NamedTuple):
    """The numbers that a setting may be."""

    contains: typing.Callable  # Of a number or a tensor.
    rule: str
    remedy: str


# OpenAI's range.
_PENALTIES = SettingRange(
    lambda x: (x >= -2) & (x <= 2), "from -2 to 2", "Use 0.0 for no penalty."
)
SETTING_RANGES = {
    "temperature": SettingRange(
        lambda x: (x >= 0) & (x < math.inf),
        "of at least 0",
        "Use 0 for greedy decoding.",
    ),
    "top_p": SettingRange(
        lambda x: (x > 0) & (x <= 1),
        "above 0 and at most 1",
        "Use 1.0 to draw among all tokens.",
    ),
    "min_p": SettingRange(
        lambda x: (x >= 0) & (x < 1),
        "of at least 0 and below 1",
        "Use 0.0 to draw among all tokens.",
    ),
    "repetition_penalty": SettingRange(
        lambda x: (x > 0) & (x < math.inf),
        "above 0",
        "Use 1.0 for no penalty.",
    ),
    "presence_penalty": _PENALTIES,
    "frequency_penalty": _PENALTIES,
}


def setting_message(name):
    """The error for a setting out of its range, around the value."""
    setting = SETTING_RANGES[name]
    return (
        f"{name} must be a finite number {setting.rule}. Received: {name}=",
        f". {setting.remedy}",
    )


def check_sampling_number(name, value):
    """Raise unless a setting is a number in its range."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not SETTING_RANGES[name].contains(value):
        before, after = setting_message(name)
        # As a graph prints it: -1, not -1.0.
        printed = f"{value:g}" if is_number else repr(value)
        raise ValueError(f"{before}{printed}{after}")
    return float(value)


def check_seed(seed):
    """Raise unless a seed is an integer that TensorFlow's draws accept."""
    check_integer("seed", seed, minimum=0)
    if seed >= 2**31:
        raise ValueError(
            f"seed must be below 2147483648. Received: seed={seed}. Take it "
            "modulo 2147483648."
        )
    return int(seed)


# All but those of temperature and seed change nothing.
SAMPLING_DEFAULTS = {
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "logit_bias": None,
    "seed": None,
}


def check_sampling_options(options):
    """Raise unless options are known and their values allowed."""
    unknown = sorted(set(options) - set(SAMPLING_DEFAULTS))
    if unknown:
        raise ValueError(
            f"Sampling options must be among {', '.join(SAMPLING_DEFAULTS)}. "
            f"Received: {', '.join(unknown)}. Check the spelling."
        )
    return {name: _checked(name, value) for name, value in options.items()}


def _checked(name, value):
    if name in SETTING_RANGES:
        return check_sampling_number(name, value)
    if name == "seed":
        return None if value is None else check_seed(value)
    if name == "logit_bias":
        return check_logit_bias(value)
    check_integer(name, value, minimum=0)
    return int(value)


# Far above any score, and far below what removes one in the filters.
LARGEST = 1e9


def check_logit_bias(logit_bias):
    """Raise unless a bias maps token ids to numbers."""
    if logit_bias is None:
        return None
    if not isinstance(logit_bias, dict):
        raise ValueError(
            "logit_bias must be a dict of token ids to numbers. Received: "
            f"logit_bias={echoed(logit_bias)}. Pass {{50256: -100.0}}, say."
        )
    for token_id, bias in logit_bias.items():
        if not _is(token_id, numbers.Integral) or token_id < 0:
            raise ValueError(
                "The ids of logit_bias must be integers of at least 0. "
                f"Received: id={echoed(token_id)}. Take ids from the tokenizer."
            )
        if not _is(bias, numbers.Real) or not abs(bias) <= LARGEST:
            raise ValueError(
                "The biases of logit_bias must be numbers from -1e9 to 1e9. "
                f"Received: bias={echoed(bias)}. Use -1e9 to rule a token out."
            )
    return {int(i): float(bias) for i, bias in logit_bias.items()}


def _is(x, kind):
    return isinstance(x, kind) and not isinstance(x, bool)


def logit_bias_vector(logit_bias, vocabulary_size):
    """The biases as a vector to add to the scores."""
    vector = np.zeros(vocabulary_size, "float32")
    for token_id, bias in logit_bias.items():
        if token_id >= vocabulary_size:
            raise ValueError(
                "The ids of logit_bias must be below vocabulary_size="
                f"{vocabulary_size}. Received: id={token_id}. Take ids from "
                "the model's own tokenizer."
            )
        vector[token_id] = bias
    return vector
