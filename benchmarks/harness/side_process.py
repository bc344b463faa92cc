"""A side of a benchmark as a process of its own.

So its peak memory is its own, and the sides can alternate step by step while
the others idle.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from harness.progress import log

_BENCHMARKS = pathlib.Path(__file__).resolve().parent.parent
_LINES_OF_ERROR = 15


class SideProcess:
    """Starts a side and lets it take one step at a time.

    A side that dies, at once or later, does not end the benchmark: its
    answers are then a dict with `error` alone. A context manager; the process
    ends with the block.

    Args:
        name: string. What the progress calls it.
        module: string. The module to run, such as
            `"sides.keras_gpt3_side"`; it calls `serve`.
        arguments: dict. What its `build` takes, by keyword.
        python: string. The Python to run it on. Defaults to `None`, this one.
        environment: dict. Variables that it has beside those of this process.
            Defaults to `None`.

    Attributes:
        ready: dict. The side's answer after its first step.
    """

    def __init__(self, name, module, arguments, python=None, environment=None):
        log(f"{name}: building, compiling, first step")
        self._name = name
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [python or sys.executable, "-m", module, json.dumps(arguments)],
            cwd=_BENCHMARKS,
            env={"TF_CPP_MIN_LOG_LEVEL": "2"}
            | os.environ
            | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._death = None
        self.ready = self._answer()

    def step(self):
        """Lets the side take one step.

        Returns:
            A dict: `seconds`, `result`, `peak_bytes` and, on a GPU,
            `device_peak_bytes`.
        """
        if self._death is None:
            try:
                self._process.stdin.write("step\n")
                self._process.stdin.flush()
            except OSError:  # A broken pipe: the answer says why.
                pass
        return self._death or self._answer()

    def close(self):
        """Ends the process, where it has not died already."""
        try:
            self._process.stdin.close()
        except OSError:
            pass
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _answer(self):
        """The side's next line, from JSON."""
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        status = self._process.wait()
        killed = " (killed, perhaps for memory)" if status == -9 else ""
        error = (
            f"{self._name} ended with status {status}{killed}. Its last "
            f"lines:\n{self._last_lines()}"
        )
        log(error)
        self._death = {"error": error}
        return self._death

    def _last_lines(self):
        """The end of what the process wrote on its error output."""
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-_LINES_OF_ERROR:])
