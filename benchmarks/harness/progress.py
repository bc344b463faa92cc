"""What is running, on the error output."""

import sys
import time

_START = time.monotonic()


def log(line):
    """Shows a line with the seconds since the start.

    Args:
        line: string.
    """
    elapsed = time.monotonic() - _START
    print(f"[{elapsed:6.0f} s] {line}", file=sys.stderr, flush=True)
