"""Progress of long work: one bar, with the time left, for all of it."""

import datetime
import sys
import time

# Seconds between two looks, at the bar and at a file of lines.
_BAR_INTERVAL, _LINE_INTERVAL = 0.1, 10


class ProgressBar:
    """Shows on standard error how far a work is, and the time left.

    A terminal gets a bar. Elsewhere `verbose="auto"` shows nothing, and `True`
    a line every ten seconds and one at the end. Of a total in bytes the share
    is shown, not the number.
    """

    def __init__(
        self, title, total=None, done=0, verbose="auto", unit="", file=None
    ):
        self._file = sys.stderr if file is None else file
        self._title, self._total, self._unit = title, total, unit
        self._done = self._completed = done
        self._note, self._seconds_left = "", None
        is_terminal = self._file.isatty()
        self.is_shown = is_terminal if verbose == "auto" else bool(verbose)
        self._interval = _BAR_INTERVAL if is_terminal else _LINE_INTERVAL
        self._start = self._due = time.monotonic()
        self._bar = None
        if is_terminal and self.is_shown:
            self._bar, self._task = _rich_bar(title, total, done, self._file)
        else:
            self._due += self._interval

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def advance(self, count=1):
        """Count what was done since the last call."""
        self.update(self._completed + count)

    def resume(self, done, note=""):
        """Start from what an earlier run did, which gives no speed."""
        self._done = done
        self.update(done, note)

    def update(self, completed, note="", seconds_left=None):
        """Say how much is done, and what else is worth knowing.

        The time left is that of a mean speed, unless it is known better.
        """
        self._completed, self._note = completed, note
        self._seconds_left = seconds_left
        if self.is_shown and time.monotonic() >= self._due:
            self._show()
            self._due = time.monotonic() + self._interval

    def print(self, line):
        """Write a line, above the bar where there is one."""
        if self._bar is None:
            print(line, file=self._file, flush=True)
        else:
            # As it is: a name in brackets is not markup.
            self._bar.console.print(
                line, highlight=False, markup=False, soft_wrap=True
            )

    def close(self):
        """Show the end, and leave the terminal as it was."""
        if self.is_shown:
            self._show()
        if self._bar is not None:
            self._bar.stop()
        self.is_shown = False

    def _show(self):
        elapsed = time.monotonic() - self._start
        parts = [part for part in (self._count(), self._note) if part]
        left = self._left(elapsed)
        if self._bar is None:
            parts.append(f"{clock(elapsed)} elapsed")
            parts += [f"{clock(left)} left"] if left else []
            self.print(f"{self._title}: {', '.join(parts)}")
            return
        self._bar.update(
            self._task,
            completed=self._completed,
            state=", ".join(parts),
            left="?" if left is None else clock(left),
        )

    def _count(self):
        if not self._total:  # Unknown, or empty files.
            return ""
        if self._unit == "bytes":
            share = self._completed / self._total
            return f"{share:.0%} of the bytes"
        return f"{self._completed:,}/{self._total:,} {self._unit}".rstrip()

    def _left(self, elapsed):
        if self._seconds_left is not None or not self._total:
            return self._seconds_left
        made = self._completed - self._done
        left = self._total - self._completed
        return elapsed * left / made if made > 0 else None


def _rich_bar(title, total, done, file):
    from rich import console
    from rich import progress

    def text(words):
        return progress.TextColumn(words, markup=False)

    bar = progress.Progress(
        text("{task.description}"),
        progress.BarColumn(),
        text("{task.fields[state]}"),
        progress.TimeElapsedColumn(),
        text("elapsed, left: {task.fields[left]}"),
        console=console.Console(file=file),
    )
    task = bar.add_task(title, total=total, completed=done, state="", left="?")
    bar.start()
    return bar, task


def clock(seconds):
    """A duration in hours, minutes and seconds."""
    return str(datetime.timedelta(seconds=round(seconds)))
