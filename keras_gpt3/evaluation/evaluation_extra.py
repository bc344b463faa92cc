"""Packages of the extra `evaluate`, imported where they are needed."""

import importlib


def import_extra(name, need):
    """Imports a module of a package that `keras-gpt3[evaluate]` brings.

    Args:
        name: string. The module.
        need: string. What it is needed for, as a message says it: "A task must
            be read with PyYAML".

    Returns:
        The module.

    Raises:
        ImportError: If it is not installed; the message is of `need` and the
            command that installs it.

    Example:

    ```python
    from keras_gpt3.evaluation.evaluation_extra import import_extra

    yaml = import_extra("yaml", "A task must be read with PyYAML")
    ```
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{need}. Received: {error}. Install it with pip install "
            "'keras-gpt3[evaluate]'."
        ) from error
