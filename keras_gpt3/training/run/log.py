"""A run's log, and the curves that are drawn of it."""

import itertools
import json
import os
import pathlib

import numpy as np

from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.reporting.figures import COLOURS
from keras_gpt3.reporting.figures import Curve
from keras_gpt3.reporting.figures import Panel
from keras_gpt3.reporting.figures import noisy_curve
from keras_gpt3.reporting.figures import plot_panels
from keras_gpt3.training.run.folder import RunFolder

# Before the names of tasks, in a record of a validation.
TASKS = "tasks/"


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
        """Append one record."""
        before = self._path.stat().st_size if self._path.exists() else 0
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(record))
        except OSError:
            # Else the next record would join a half line.
            os.truncate(self._path, before)
            raise

    def sink(self, record, is_due):
        """Append a record that is due; see `PretrainingRun`."""
        if is_due:
            self.write(record)

    def read(self):
        """Read the records, without a last line that a kill cut off."""
        if not self._path.exists():
            return []
        lines = self._path.read_text("utf-8").split("\n")
        # After the last newline stands nothing, or what was cut off.
        return [
            self._record(number, line)
            for number, line in enumerate(lines[:-1], start=1)
        ]

    def forget_after(self, step):
        """Remove the records of all later steps, and a line cut off."""
        if not self._path.exists():
            return
        kept = [record for record in self.read() if record["step"] <= step]
        with atomic_write(self._path) as file:
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


def plot_run(folder, path=None):
    """Draw what a run's log holds, over the tokens seen.

    What is not finite is left out, such as the loss of a skipped update. The
    batch that the gradient noise scale recommends is drawn beside the run's
    own, as the paper chose its batches by it (section 2.3).

    Args:
        folder: path. The run folder, with its `log.jsonl`.
        path: path. Where to save the figure; its ending is the format.
            Defaults to `None`, nowhere.

    Returns:
        A `matplotlib.figure.Figure` of four panels: the losses in nats per
        token, of training and of each validation set; the learning rate; the
        tokens in a batch; the gradient's norm, with the updates skipped. A
        fifth one has the scores of tasks, where there are any.

    Raises:
        FileNotFoundError: If the folder holds no log, or an empty one.
        ValueError: If a line of the log is damaged.

    Example:

    ```python
    import tempfile

    from keras_gpt3.training.run.folder import RunFolder
    from keras_gpt3.training.run.log import RunLog
    from keras_gpt3.training import plot_run

    folder = tempfile.mkdtemp()
    record = {"kind": "validation", "step": 0, "tokens_seen": 0}
    RunLog(RunFolder(folder).log).write(record | {"books/loss": 10.8})
    figure = plot_run(folder, "curves.png")
    ```
    """
    records = RunLog(RunFolder(folder).log).read()
    if not records:
        raise FileNotFoundError(
            "A run folder must hold a log with records. Received: folder="
            f"'{folder}', without a whole line in log.jsonl. Pass the folder "
            "of a run that has begun to log."
        )
    training = [r for r in records if r["kind"] == "train"]
    held_out = [r for r in records if r["kind"] == "validation"]
    panels = (
        Panel("Loss (nats per token)", _losses(training, held_out), height=2),
        Panel(
            "Learning rate",
            (_curve(training, "learning_rate"),),
            from_zero=True,
        ),
        Panel("Batch size (tokens)", _batches(training), scale="log"),
        Panel(
            "Gradient norm",
            (_curve(training, "gradient_norm"),),
            scale="log",
            events=_skips(training),
            events_label="updates skipped",
        ),
    )
    if scores := _scores(held_out):
        panels += (Panel("Score of tasks", scores, from_zero=True),)
    return plot_panels(panels, "Tokens seen", path=path)


def _losses(training, held_out):
    names = dict.fromkeys(
        name for r in held_out for name in r if name.endswith("/loss")
    )
    tokens, loss = _column(training, "tokens_seen"), _column(training, "loss")
    return (
        *noisy_curve(tokens, loss, "training"),
        *(
            _curve(
                held_out,
                name,
                f"validation: {name.removesuffix('/loss')}",
                color=colour,
                marker="o",
                markersize=3,
            )
            for name, colour in zip(names, itertools.cycle(COLOURS))
        ),
    )


def _scores(held_out):
    """Of the tasks that the model was put through while it trained."""
    names = dict.fromkeys(
        name for r in held_out for name in r if name.startswith(TASKS)
    )
    return tuple(
        _curve(
            held_out,
            name,
            name.removeprefix(TASKS),
            color=colour,
            marker="o",
            markersize=3,
        )
        for name, colour in zip(names, itertools.cycle(COLOURS))
    )


def _batches(training):
    # Above the other, which swings.
    own = _curve(training, "batch_tokens", "this run", zorder=3)
    noise_scale = _curve(
        training,
        "recommended_batch_tokens",
        "gradient noise scale",
        color="tab:blue",
        linestyle="--",
    )
    # Without micro-batches or replicas there is no estimate.
    has_estimate = np.isfinite(noise_scale.y).any()
    return (own, noise_scale) if has_estimate else (own,)


def _skips(training):
    """Where updates were skipped, by the tokens seen."""
    # The log counts them: a record may stand for several steps.
    skipped = _column(training, "skipped_updates")
    tokens = _column(training, "tokens_seen")
    return tokens[np.diff(skipped, prepend=0.0) > 0]


def _curve(records, name, label=None, **style):
    x, y = _column(records, "tokens_seen"), _column(records, name)
    return Curve(x, y, label, style)


def _column(records, name):
    """A field of all records, NaN where it is unknown or not finite."""
    values = np.array([r.get(name) for r in records], dtype="float64")
    return np.where(np.isfinite(values), values, np.nan)
