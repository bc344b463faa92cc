"""The memory that this process holds, and the most it has held."""

import pathlib
import resource
import sys

_STATUS = pathlib.Path("/proc/self/status")


def peak_bytes():
    """The most memory this process has held.

    On Linux not `ru_maxrss`: a new process starts there with the memory of
    the one that started it.

    Returns:
        An int, bytes of resident memory.
    """
    if _STATUS.exists():
        return _status("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def resident_bytes():
    """The memory this process holds now; Linux only.

    Returns:
        An int, bytes of resident memory.
    """
    return _status("VmRSS")


def _status(name):
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status must have a line {name}. Use Linux.")
