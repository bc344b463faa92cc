"""Reads a JSON file that comes from elsewhere."""

import json


def read_json(path):
    """Reads a JSON file, so that any damage to it is a `ValueError`."""
    try:
        return json.loads(path.read_text("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
