"""Settings of sampling, with their checks.

Python, the signatures of an export and a server reject the same values with
the same words: the texts come in two parts, before and after the value.
"""

import dataclasses
import math
import numbers

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.echoed_value import echoed


@dataclasses.dataclass(frozen=True)
class SettingRange:
    """The numbers that a setting may be."""

    low: float
    high: float
    includes_low: bool
    includes_high: bool
    rule: str
    remedy: str

    def contains(self, x):
        """Whether numbers lie in the range."""
        above = x >= self.low if self.includes_low else x > self.low
        below = x <= self.high if self.includes_high else x < self.high
        return above & below


SETTING_RANGES = {
    "temperature": SettingRange(
        0, math.inf, True, False, "of at least 0", "Use 0 for greedy decoding."
    ),
    "top_p": SettingRange(
        0,
        1,
        False,
        True,
        "above 0 and at most 1",
        "Use 1.0 to draw among all tokens.",
    ),
    "min_p": SettingRange(
        0,
        1,
        True,
        False,
        "of at least 0 and below 1",
        "Use 0.0 to draw among all tokens.",
    ),
    "repetition_penalty": SettingRange(
        0, math.inf, False, False, "above 0", "Use 1.0 for no penalty."
    ),
    # OpenAI's range.
    "presence_penalty": SettingRange(
        -2, 2, True, True, "from -2 to 2", "Use 0.0 for no penalty."
    ),
    "frequency_penalty": SettingRange(
        -2, 2, True, True, "from -2 to 2", "Use 0.0 for no penalty."
    ),
}


def setting_message(name):
    """The error for a setting out of its range, around the value."""
    setting = SETTING_RANGES[name]
    return (
        f"{name} must be a finite number {setting.rule}. Received: {name}=",
        f". {setting.remedy}",
    )


def check_sampling_number(name, value):
    """Raises unless a setting is a number in its range."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not SETTING_RANGES[name].contains(value):
        before, after = setting_message(name)
        # As a graph prints it: -1, not -1.0.
        printed = f"{value:g}" if is_number else repr(value)
        raise ValueError(f"{before}{printed}{after}")
    return float(value)


def check_seed(seed):
    """Raises unless a seed is an integer that TensorFlow's draws accept."""
    check_integer("seed", seed, minimum=0)
    if seed >= 2**31:
        raise ValueError(
            f"seed must be below 2147483648. Received: seed={seed}. Take it "
            "modulo 2147483648."
        )
    return int(seed)


SAMPLING_OPTIONS = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
)


def check_sampling_options(options):
    """Raises unless options are known and their values allowed."""
    unknown = sorted(set(options) - set(SAMPLING_OPTIONS))
    if unknown:
        raise ValueError(
            f"Sampling options must be among {', '.join(SAMPLING_OPTIONS)}. "
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
    """Raises unless a bias maps token ids to numbers."""
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
