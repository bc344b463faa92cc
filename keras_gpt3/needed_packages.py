"""Imports of packages that an extra brings, and what to do without them."""

import contextlib
import functools
import importlib
import logging


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


@functools.cache
def import_extra(name):
    """Import a module of the extra `corpus`."""
    # Beam warns when loaded of each cloud whose client is not installed.
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.WARNING))
    try:
        with needed_packages("A corpus build must find its packages", "corpus"):
            return importlib.import_module(name)
    finally:
        logging.disable(disabled)
