"""The check that names of tasks, splits and the like go through."""

import difflib

from keras_gpt3.echoed_value import echoed


def check_choice(name, value, allowed):
    """Raises unless an argument is one of some names; offers the closest."""
    if value not in allowed:
        close = difflib.get_close_matches(str(value), allowed, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "Use one of these."
        raise ValueError(
            f"{name} must be one of {', '.join(allowed)}. Received: "
            f"{name}={echoed(value)}. {hint}"
        )
