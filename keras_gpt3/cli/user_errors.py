"""Errors of the user's making: one line on stderr, no traceback."""

import contextlib

import typer

# NotImplementedError is what `require_backend` raises.
_ERRORS = (ValueError, OSError, MemoryError, ImportError, NotImplementedError)


@contextlib.contextmanager
def user_errors():
    """Turns an error about the input into its message and exit code 2.

    The package words such errors as invariant, value received and remedy, so
    the message is all that a user of the command line needs.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.cli.user_errors import user_errors

    with user_errors():
        keras_gpt3.describe("gpt3_small_en")
    ```
    """
    try:
        yield
    except _ERRORS as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(code=2) from error
