"""Refuses overrides with which stored weights would not fit."""

from keras_gpt3.planning.parameter_count import COUNTED_KEYS
from keras_gpt3.preset_loader import SWITCHES


def check_stored_shapes(saved, overrides):
    """Raises if an override changes the shape of a stored weight."""
    saved = SWITCHES | saved  # An older preset does not name them.
    changed = [
        name
        for name in COUNTED_KEYS
        if name in overrides and overrides[name] != saved[name]
    ]
    if changed:
        received = ", ".join(f"{name}={overrides[name]}" for name in changed)
        stored = ", ".join(f"{name}={saved[name]}" for name in changed)
        raise ValueError(
            "Overrides must not change the shape of stored weights. Received: "
            f"{received} where the preset has {stored}. Pass "
            "load_weights=False to start from new weights."
        )
