"""Ctrl-C while a command loads: it ends at once, with one line."""

import contextlib
import os
import signal
import sys
import threading

# What a shell expects of a process that Ctrl-C has ended.
INTERRUPTED = 130


@contextlib.contextmanager
def ended_at_once():
    """Ends the process at Ctrl-C, without unwinding what it was doing.

    A `KeyboardInterrupt` amid an import may come out as any other error, with
    a traceback of files that no user knows. There is nothing to be saved yet.
    """
    # Python takes signals in its main thread only. What somebody else has set
    # stays: a shell in the background ignores Ctrl-C.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number, frame):
    sys.stderr.write("Interrupted.\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)
