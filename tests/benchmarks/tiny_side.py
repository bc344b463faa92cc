"""A side that counts its steps, and dies when it is told to."""

import os
import signal

from harness.side_server import serve


def build(die_at=None, killed=False, megabytes=0):
    """A step that returns its number, from 0; it is ready after step 0."""
    taken = []
    memory = bytearray(2**20 * megabytes)
    memory[:: 2**10] = b"x" * len(memory[:: 2**10])  # Touches every page.

    def step():
        os.write(1, b"what a library writes must not disturb\n")
        if len(taken) == die_at:
            if killed:
                os.kill(os.getpid(), signal.SIGKILL)
            raise MemoryError("no more memory")
        taken.append(len(taken))
        return taken[-1]

    return step, {"fact": len(memory)}


if __name__ == "__main__":
    serve(build)
