"""Checks of the sections of configs: pretraining runs and corpus builds."""

import re

import pytest


def check_minimum(kind, path, minimum, **required):
    """An integer below its minimum raises, and the minimum itself does not.

    Args:
        kind: dataclass of the section.
        path: string. The field as messages name it, such as `"log.plot"`.
        minimum: int.
        **required: What a section cannot be made without.
    """
    field = path.partition(".")[2]
    message = (
        f"{path} must be an integer of at least {minimum}. Received: {path}="
        f"{minimum - 1}. Pass {minimum} or more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        kind(**required, **{field: minimum - 1})
    made = kind(**required, **{field: minimum})
    assert getattr(made, field) == minimum


def check_above_0(kind, path, value):
    """A number that is not above 0 raises; `None` and others do not."""
    field = path.partition(".")[2]
    message = (
        f"{path} must be above 0. Received: {path}={value}. Use None to do "
        "without."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        kind(**{field: value})
    assert getattr(kind(**{field: 0.5}), field) == 0.5
    assert getattr(kind(**{field: None}), field) is None


def check_share(kind, path):
    """A number that is not from 0 to 1 raises."""
    field = path.partition(".")[2]
    for value in (-0.1, 1.1):
        message = (
            f"{path} must be from 0 to 1. Received: {path}={value}. Leave it "
            "out for the default."
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            kind(**{field: value})
    assert getattr(kind(**{field: 1.0}), field) == 1
