"""Files that appear whole, in folders with one writer at a time."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import signal
import threading
import uuid

PARTIAL_SUFFIX = ".partial"


@contextlib.contextmanager
def replaced_file(path):
    """Gives a hidden file that gets its place when the block ends.

    If the block raises, or the process is killed, an older file stays.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    try:
        with sigterm_exits():
            with open(partial, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            "The disk must have room for all that is written. Received: "
            f"file='{path}' ({error.strerror}). Free some space and run it "
            "again."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def partial_path(path):
    """A hidden name beside a file, under which it is written."""
    path = pathlib.Path(path)
    return path.with_name(
        f".{path.name}.{uuid.uuid4().hex[:8]}{PARTIAL_SUFFIX}"
    )


def write_json(path, value):
    """Writes a JSON file that appears whole, or not at all."""
    with replaced_file(path) as file:
        file.write(json.dumps(value, indent=1, ensure_ascii=False).encode())


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
