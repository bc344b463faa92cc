"""Imports what only a corpus build needs, and says how to install it."""

import functools
import importlib
import logging

from keras_gpt3.needed_packages import needed_packages


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
