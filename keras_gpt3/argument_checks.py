"""Checks of arguments: integers, and choices from a list."""

import difflib
import numbers

from keras_gpt3.echoed_value import echoed


def check_integer(name, value, minimum):
    """Raise unless an argument is an integer of at least a minimum."""
    is_integer = isinstance(value, numbers.Integral)
    if not is_integer or isinstance(value, bool) or value < minimum:
        raise ValueError(
            f"{name} must be an integer of at least {minimum}. "
            f"Received: {name}={echoed(value)}. Pass {minimum} or more."
        )


def check_choice(name, value, allowed):
    """Raises unless an argument is one of some names; offers the closest."""
    if value not in allowed:
        close = difflib.get_close_matches(str(value), allowed, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "Use one of these."
        raise ValueError(
            f"{name} must be one of {', '.join(allowed)}. Received: "
            f"{name}={echoed(value)}. {hint}"
        )
