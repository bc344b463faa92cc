"""One key of a config.json: its type, its default and its other name."""

import dataclasses
import math
import numbers

from keras_gpt3.echoed_value import echoed

# Of a key that has to be there.
REQUIRED = "required"


def _is_integer(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_size(value):
    return _is_integer(value) and value >= 1


def _is_number(value):
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_real and math.isfinite(value) and value >= 0


# Kind -> what it asks for in words, and the test of a value.
_KINDS = {
    "size": ("an integer of at least 1", _is_size),
    "optional size": (
        "an integer of at least 1, or null",
        lambda value: value is None or _is_size(value),
    ),
    "number": ("a finite number of at least 0", _is_number),
    "flag": ("true or false", lambda value: isinstance(value, bool)),
    "text": ("a string", lambda value: isinstance(value, str)),
    "list": (
        "a list, or null",
        lambda value: value is None or isinstance(value, list),
    ),
}


@dataclasses.dataclass(frozen=True)
class ConfigKey:
    """One key of a config.json that says what a model computes."""

    name: str
    kind: str
    default: object = REQUIRED
    alias: str | None = None

    @property
    def names(self):
        """The names that the key may have."""
        return (self.name,) if self.alias is None else (self.name, self.alias)

    def read(self, config):
        """Reads and checks the value."""
        found = {name: config[name] for name in self.names if name in config}
        for name, value in found.items():
            self._check(name, value)
        values = list(found.values())
        if values and values[0] != values[-1]:
            raise ValueError(
                f"{self.name} and {self.alias} in config.json must agree. "
                f"Received: {self.name}={echoed(values[0])}, "
                f"{self.alias}={echoed(values[-1])}. Remove the wrong one."
            )
        if not values and self.default is REQUIRED:
            raise ValueError(
                f"config.json must hold {self.name}. Received: keys="
                f"{sorted(config)}. Add {self.name} with the value of the "
                "model."
            )
        return values[0] if values else self.default

    def _check(self, name, value):
        asked, fits = _KINDS[self.kind]
        if not fits(value):
            raise ValueError(
                f"{name} in config.json must be {asked}. Received: "
                f"{name}={echoed(value)}. Write the value that the model was "
                "trained with."
            )
