"""One writer at a time in a folder, which a signal cannot stop half-way."""

import contextlib
import fcntl
import os
import signal
import threading

# (device, inode) of each folder that this process holds -> the thread.
_holders = {}


@contextlib.contextmanager
def locked_folder(folder):
    """Keeps other processes and threads from writing to a folder.

    The lock is the system's own on the folder itself: there is no file of it,
    and it ends with the process, however that ends. Within the block, the same
    thread may lock the folder again.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        status = os.fstat(descriptor)
        key = status.st_dev, status.st_ino
        if _holders.get(key) == threading.get_ident():
            yield
            return
        _lock(descriptor, folder)
        _holders[key] = threading.get_ident()
        try:
            yield
        finally:
            del _holders[key]
    finally:
        os.close(descriptor)


def _lock(descriptor, folder):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(
            "Only one process may write to a folder at a time. Received: "
            f"folder='{folder}', where another one writes. Wait until it has "
            "ended, or pass another folder."
        ) from error
    except OSError:
        pass  # Some network file systems know no locks, or none of folders.


@contextlib.contextmanager
def sigterm_exits():
    """Lets SIGTERM leave the block as an exception, so that it cleans up.

    By itself the signal ends Python on the spot. Where the program, or Orbit's
    loop, has a handler of its own, that one stays.
    """
    # Python takes signals in its main thread only.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number, frame):
    # Once: a second one would stop what cleans up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)
