"""The JSONL log of a run, one object a line."""

import json
import os
import pathlib

from keras_gpt3.echoed_value import echoed
from keras_gpt3.replaced_file import replaced_file


class RunLog:
    """Appends records to a file, and takes back those of steps to be redone.

    A run that was killed has logged steps after its last checkpoint. They will
    be made again, so their lines go when it resumes: every step is there once.
    What is not finite, such as the loss of a skipped update, is written as
    Python's JSON does: `NaN`, `Infinity`.
    """

    def __init__(self, path):
        self._path = pathlib.Path(path)

    def write(self, record):
        """Appends one record."""
        before = self._path.stat().st_size if self._path.exists() else 0
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(record))
        except OSError:
            # Else the next record would join a half line.
            os.truncate(self._path, before)
            raise

    def sink(self, record, is_due):
        """Appends a record that is due; see `PretrainingRun`."""
        if is_due:
            self.write(record)

    def read(self):
        """Reads the records, without a last line that a kill cut off."""
        if not self._path.exists():
            return []
        lines = self._path.read_text("utf-8").split("\n")
        # After the last newline stands nothing, or what was cut off.
        return [
            self._record(number, line)
            for number, line in enumerate(lines[:-1], start=1)
        ]

    def forget_after(self, step):
        """Removes the records of all later steps, and a line that was
        cut off.
        """
        if not self._path.exists():
            return
        kept = [record for record in self.read() if record["step"] <= step]
        with replaced_file(self._path) as file:
            file.write("".join(map(_line, kept)).encode())

    def _record(self, number, line):
        try:
            return json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                "Each line of a log must be JSON. Received: line "
                f"{number} of '{self._path}', {echoed(line[:40])}. Delete that "
                "line."
            ) from error


def _line(record):
    return json.dumps(record) + "\n"
