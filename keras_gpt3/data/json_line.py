"""Reads one line of a JSON-lines file."""

import json


def parse_json_line(line):
    """Reads a line, so that any damage to it is a `ValueError`.

    Args:
        line: string or bytes.

    Returns:
        What the line holds: a dict, list, string, number, bool or `None`.

    Raises:
        ValueError: If it is not JSON, or is nested too deep for Python. The
            message is the reason alone, for the caller's own.

    Example:

    ```python
    from keras_gpt3.data.json_line import parse_json_line

    parse_json_line('{"text": "Once"}')  # {"text": "Once"}
    ```
    """
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
