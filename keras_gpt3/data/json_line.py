"""Reads one line of a JSON-lines file."""

import json


def parse_json_line(line):
    """Reads a line, so that any damage to it is a `ValueError`."""
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
