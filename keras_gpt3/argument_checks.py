"""Checks of arguments: integers, and choices from a list."""

import difflib
import numbers
import typing

from keras_gpt3.echoed_value import echoed


def check_integer(name, value, minimum):
    """Raise unless an argument is an integer of at least a minimum."""
    is_integer = isinstance(value, numbers.Integral)
    if not is_integer or isinstance(value, bool) or value < minimum:
        raise ValueError(
            f"{name} must be an integer of at least {minimum}. "
            f"Received: {name}={echoed(value)}. Pass {minimum} or more."
        )


def check_integers(section, name, /, **minimums):
    """Raise unless integers of a config's section are of at least minimums."""
    hints = typing.get_type_hints(type(section))
    for field, minimum in minimums.items():
        value = getattr(section, field)
        if value is not None or type(None) not in typing.get_args(hints[field]):
            check_integer(f"{name}.{field}", value, minimum)


def check_choice(name, value, allowed):
    """Raises unless an argument is one of some names; offers the closest."""
    if value not in allowed:
        close = difflib.get_close_matches(str(value), allowed, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "Use one of these."
        raise ValueError(
            f"{name} must be one of {', '.join(allowed)}. Received: "
            f"{name}={echoed(value)}. {hint}"
        )
