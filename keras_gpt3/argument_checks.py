"""Checks of arguments, values cut to what an error shows, and warnings."""

import difflib
import functools
import logging
import math
import numbers
import reprlib

_logger = logging.getLogger("keras_gpt3")


def check_integer(name, value, minimum):
    """Raise unless an argument is an integer of at least a minimum."""
    is_integer = isinstance(value, numbers.Integral)
    if not is_integer or isinstance(value, bool) or value < minimum:
        raise ValueError(
            f"{name} must be an integer of at least {minimum}. "
            f"Received: {name}={echoed(value)}. Pass {minimum} or more."
        )


def check_number(name, value, remedy, bound=""):
    """Raise unless an argument is finite, "above 0" or "of at least 0"."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    is_in_bound = is_number and (
        not bound or value > 0 or (value == 0 and bound == "of at least 0")
    )
    if not is_in_bound or not math.isfinite(value):
        raise ValueError(
            f"{name} must be a finite number{bound and ' ' + bound}. Received: "
            f"{name}={echoed(value)}. {remedy}"
        )


def check_choice(name, value, allowed):
    """Raise unless an argument is one of some names; offer the closest."""
    if value not in allowed:
        close = difflib.get_close_matches(str(value), allowed, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "Use one of these."
        raise ValueError(
            f"{name} must be one of {', '.join(allowed)}. Received: "
            f"{name}={echoed(value)}. {hint}"
        )


# More does not help to find the fault, and fills a terminal or a log.
LIMIT = 200


def echoed(value):
    """Return the `repr` of a value, of at most 200 characters.

    What is cut away is not made: a text of gigabytes costs nothing.
    """
    try:
        text = _REPR.repr(value)
    except ValueError:
        # Python does not write an int of over 4300 digits.
        text = f"a number of {value.bit_length()} bits"
    return cut_text(text)


def cut_text(text, limit=LIMIT):
    """Cut the middle out of a text that is too long."""
    if len(text) <= limit:
        return text
    start = (limit - 3) // 2
    return f"{text[:start]}...{text[start + 3 - limit :]}"


class _Repr(reprlib.Repr):
    """The standard library's, with room for what people write in configs."""

    def __init__(self):
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = LIMIT
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 50


_REPR = _Repr()


@functools.cache
def log_once(message):
    """Warn in the log, the first time only."""
    _logger.warning(message)
