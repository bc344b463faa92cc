"""Imports of packages that an extra brings, and what to do without them."""

import contextlib


@contextlib.contextmanager
def needed_packages(need, extra):
    """Says what a package is needed for, if an import inside fails.

    Args:
        need: string. The need as a message says it, without a full stop: "A
            task must be read with PyYAML".
        extra: string. The extra of this package that brings it.

    Raises:
        ImportError: If an import inside fails.

    Example:

    ```python
    from keras_gpt3.needed_packages import needed_packages

    with needed_packages("A config must be read with PyYAML", "pretrain"):
        import yaml
    ```
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{need}. Received: {error}. Install it with pip install "
            f"'keras-gpt3[{extra}]'."
        ) from error
