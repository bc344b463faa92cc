"""What a sampler's settings may be, wherever they are checked.

Python, the signatures of an export and a server refuse the same values with
the same words: the texts come in two parts, before and behind the value.
"""

import dataclasses
import math
import numbers

from keras_gpt3.integer_argument import check_integer


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
    """Raises unless a seed is an integer that TensorFlow's draws take."""
    check_integer("seed", seed, minimum=0)
    if seed >= 2**31:
        raise ValueError(
            f"seed must be below 2147483648. Received: seed={seed}. Take it "
            "modulo 2147483648."
        )
    return int(seed)
