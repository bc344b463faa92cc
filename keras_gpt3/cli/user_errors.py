"""What a command does with the errors of its user: one line, and code 2."""

import contextlib
import importlib
import os
import signal
import sys
import threading

import typer

# NotImplementedError is what `require_backend` raises.
_ERRORS = (ValueError, OSError, MemoryError, ImportError, NotImplementedError)
# Invariant, values and remedy fit; what does not is cut in its middle.
_LONGEST = 2000
_NO_ROOM = "The disk must have room for all "


@contextlib.contextmanager
def user_errors():
    """Turn an error about the input into its message and exit code 2.

    The package words such errors as invariant, value received and remedy, so
    the message is all that a user of the command line needs. The package
    itself is imported here, with TensorFlow.
    """
    try:
        with ended_at_once():
            importlib.import_module("keras_gpt3")
        yield
    except Exception as error:
        if not (isinstance(error, _ERRORS) or _is_full(error)):
            raise
        typer.echo(message_of(error), err=True)
        raise typer.Exit(code=2) from error


def message_of(error):
    """Return the message of an error, on one line and of bounded length."""
    from keras_gpt3.argument_checks import cut_text

    text = " ".join(str(error).split("\n")) or type(error).__name__
    if _is_full(error) and not text.startswith(_NO_ROOM):
        return (
            f"{_NO_ROOM}that is written. Received: {cut_text(text)}. Free some "
            "space and run it again."
        )
    return cut_text(text, _LONGEST)


def _is_full(error):
    """Whether a full disk caused an error."""
    from keras_gpt3.atomic_write import is_disk_full

    while error is not None and not is_disk_full(error):
        error = error.__cause__ or error.__context__
    return error is not None


# What a shell expects of a process that Ctrl-C has ended.
INTERRUPTED = 130


def ended_at_once():
    """End the process at Ctrl-C, without unwinding what it was doing.

    A `KeyboardInterrupt` in the middle of an import may come out as any other
    error, with a traceback of files that no user knows. There is nothing to be
    saved yet.
    """
    return on_interrupt(_end)


@contextlib.contextmanager
def on_interrupt(handler):
    """Set what Ctrl-C does in the block, where it does what is usual."""
    # Python takes signals in its main thread only. What somebody else has set
    # stays: a shell in the background ignores Ctrl-C.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number, frame):
    sys.stderr.write("Interrupted.\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)
