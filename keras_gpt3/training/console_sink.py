"""Shows how far a run is: a bar on a terminal, else plain lines."""

import datetime
import sys

_COMPILING = "compiling the first step"


class ConsoleSink:
    """Takes records; to be given to a run.

    On a terminal a bar moves at every step, and only validations make lines;
    elsewhere every record that is due makes one. From the record of the start,
    of kind `"start"`, to that of the first step it says that it compiles.
    """

    def __init__(self, num_steps, file=None):
        self._num_steps = num_steps
        self._file = sys.stderr if file is None else file
        self._bar = self._task = None
        if self._file.isatty():
            self._bar, self._task = _bar(num_steps, self._file)

    def __call__(self, record, is_due):
        """Shows one record."""
        if record["kind"] == "start":
            self._start(record["step"])
        elif record["kind"] == "validation":
            self._print(_validation_line(record))
        elif self._bar is not None:
            self._bar.update(
                self._task,
                completed=record["step"],
                state=_state(record),
            )
        elif is_due:
            self._print(_train_line(record, self._num_steps))

    def close(self):
        """Leaves the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _start(self, step):
        if step >= self._num_steps:
            return  # Nothing is left to be compiled.
        if self._bar is not None:
            self._bar.update(self._task, completed=step)
        else:
            self._print(f"step {step}/{self._num_steps}, {_COMPILING}")

    def _print(self, line):
        if self._bar is not None:
            # As it is: a name in brackets is no markup, and a line no table.
            self._bar.console.print(
                line, highlight=False, markup=False, soft_wrap=True
            )
        else:
            print(line, file=self._file, flush=True)


def _bar(num_steps, file):
    """A bar that shows, and its task."""
    import rich.console
    from rich import progress

    bar = progress.Progress(
        progress.TextColumn("step {task.completed:.0f} of {task.total:.0f}"),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[state]}"),
        console=rich.console.Console(file=file),
    )
    task = bar.add_task("", total=num_steps, state=_COMPILING)
    bar.start()
    return bar, task


def _state(record):
    rate = record["tokens_per_second"] or 0.0
    return (
        f"loss {record['loss']:.4f}, {rate:,.0f} tokens/s, left: "
        f"{_duration(record['seconds_left'])}"
    )


def _train_line(record, num_steps):
    parts = [
        f"step {record['step']}/{num_steps}",
        f"tokens {record['tokens_seen']:,}",
        f"loss {record['loss']:.4f}",
        f"norm {record['gradient_norm']:.3g}",
        f"rate {record['learning_rate']:.3g}",
        f"batch {record['batch_tokens']:,}",
    ]
    if record["tokens_per_second"]:
        parts.append(f"{record['tokens_per_second']:,.0f} tokens/s")
    if record.get("model_flops_utilisation"):
        parts.append(f"utilisation {record['model_flops_utilisation']:.0%}")
    if record["recommended_batch_tokens"]:
        recommended = record["recommended_batch_tokens"]
        parts.append(f"noise scale recommends {recommended:,}")
    parts.append(f"left {_duration(record['seconds_left'])}")
    return ", ".join(parts)


def _validation_line(record):
    sets = [
        f"{name.rpartition('/')[0]} {value:.4f}"
        for name, value in record.items()
        if name.endswith("/loss")
    ]
    return f"step {record['step']}, held-out loss: {', '.join(sets)}"


def _duration(seconds):
    if seconds is None:
        return "?"
    return str(datetime.timedelta(seconds=round(seconds)))
