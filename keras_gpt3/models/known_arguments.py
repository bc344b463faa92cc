"""Refuses arguments that a constructor would swallow."""

import difflib
import inspect

from keras_gpt3.echoed_value import echoed

# What every keras.Model takes.
_KERAS_ARGUMENTS = {"name", "trainable"}


def check_known_arguments(cls, arguments, also=()):
    """Raises at an argument that a constructor does not name.

    Keras' functional models and keras-hub's loaders drop unknown arguments in
    silence, a misspelt one too.
    """
    known = set(inspect.signature(cls.__init__).parameters)
    known = known - {"self", "kwargs"} | _KERAS_ARGUMENTS | set(also)
    for name in sorted(set(arguments) - known):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {close[0]}?" if close else "Remove it."
        raise ValueError(
            f"Overrides must be arguments of {cls.__name__}: {sorted(known)}. "
            f"Received: {name}={echoed(arguments[name])}. {hint}"
        )
