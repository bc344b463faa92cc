"""Imports what only a corpus build needs, and says how to install it."""

import functools
import importlib
import logging


@functools.cache
def import_extra(name):
    """Imports a module of the extra `corpus`.

    Args:
        name: string. Of a module, dotted.

    Returns:
        The module.

    Raises:
        ImportError: If it is not installed.

    Example:

    ```python
    from keras_gpt3.corpus.corpus_extra import import_extra

    import_extra("zstandard").ZstdCompressor
    ```
    """
    # Beam warns when loaded of each cloud whose client is not installed.
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.WARNING))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ImportError(
            "A corpus build must find its packages. Received: "
            f"{error}. Install them with pip install 'keras-gpt3[corpus]'."
        ) from error
    finally:
        logging.disable(disabled)
