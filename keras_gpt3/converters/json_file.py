"""Reads a JSON file that comes from elsewhere."""

import json


def read_json(path):
    """Reads a JSON file, so that any damage to it is a `ValueError`.

    Args:
        path: `pathlib.Path`.

    Returns:
        What the file holds: a dict, list, string, number, bool or `None`.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is not UTF-8 or not JSON, or is nested too deep for
            Python. The message is the reason alone, for the caller's own.

    Example:

    ```python
    import pathlib

    from keras_gpt3.converters.json_file import read_json

    path = pathlib.Path("config.json")
    path.write_text('{"n_layer": 2}')
    read_json(path)  # {"n_layer": 2}
    ```
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
