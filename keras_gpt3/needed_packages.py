"""Imports of packages that an extra brings, and what to do without them."""

import contextlib


@contextlib.contextmanager
def needed_packages(need, extra):
    """Say what a package is needed for, if an import inside fails."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{need}. Received: {error}. Install it with pip install "
            f"'keras-gpt3[{extra}]'."
        ) from error
