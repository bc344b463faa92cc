"""A run's log, and the curves that are drawn of it."""

import json
import os
import pathlib

import numpy as np

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.echoed_value import echoed
from keras_gpt3.training.run.folder import RunFolder


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


# A curve is cut into so many pieces, each drawn from its lowest to its highest
# point: as many as a figure of ordinary size has pixels across.
_PIECES = 1000
# The smoothed loss is a mean over this share of the records.
_SMOOTHED_SHARE = 0.05


def plot_run(folder, path=None):
    """Draws what a run's log holds, over the tokens seen.

    What is not finite is left out, such as the loss of a skipped update. The
    batch that the gradient noise scale recommends is drawn beside the run's
    own, as the paper chose its batches by it (section 2.3).

    Args:
        folder: path. The run folder, with its `log.jsonl`.
        path: path. Where to save the figure; its ending is the format.
            Defaults to `None`, nowhere.

    Returns:
        A `matplotlib.figure.Figure` of four panels: the losses in nats per
        token, of training and of each held-out set; the learning rate; the
        tokens in a batch; the gradient's norm, with the updates skipped.

    Raises:
        FileNotFoundError: If the folder holds no log, or an empty one.
        ValueError: If a line of the log is damaged.

    Example:

    ```python
    import tempfile

    from keras_gpt3.training.run.folder import RunFolder
    from keras_gpt3.training.run.log import RunLog
    from keras_gpt3.training.run.log import plot_run

    folder = tempfile.mkdtemp()
    record = {"kind": "validation", "step": 0, "tokens_seen": 0}
    RunLog(RunFolder(folder).log).write(record | {"books/loss": 10.8})
    figure = plot_run(folder, "curves.png")
    ```
    """
    # Without pyplot: no window, no state that outlives the figure.
    from matplotlib.figure import Figure

    records = RunLog(RunFolder(folder).log).read()
    if not records:
        raise FileNotFoundError(
            "A run folder must hold a log with records. Received: folder="
            f"'{folder}', without a whole line in log.jsonl. Pass the folder "
            "of a run that has begun to log."
        )
    training = [r for r in records if r["kind"] == "train"]
    held_out = [r for r in records if r["kind"] == "validation"]
    figure = Figure(figsize=(8, 10), layout="constrained")
    loss, rate, batch, norm = figure.subplots(
        4, sharex=True, height_ratios=(2, 1, 1, 1)
    )
    _draw_losses(loss, training, held_out)
    _draw_rate(rate, training)
    _draw_batch(batch, training)
    _draw_norm(norm, training)
    norm.set_xlabel("Tokens seen")
    for axis in figure.axes:
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            # A fixed place: to look for the best one takes long. Batches grow.
            side = "lower" if axis is batch else "upper"
            axis.legend(loc=f"{side} right")
    figure.align_ylabels(figure.axes)
    if path is not None:
        figure.savefig(path)
    return figure


# === Panels ===


def _draw_losses(axis, training, held_out):
    tokens = _column(training, "tokens_seen")
    loss = _column(training, "loss")
    smooth = smoothed(loss, int(_SMOOTHED_SHARE * len(loss) / 2))
    _draw(axis, tokens, loss, color="0.8")
    _draw(axis, tokens, smooth, color="0.2", label="training, smoothed")
    seen = _column(held_out, "tokens_seen")
    names = dict.fromkeys(
        name for r in held_out for name in r if name.endswith("/loss")
    )
    for name in names:
        _draw(
            axis,
            seen,
            _column(held_out, name),
            marker="o",
            markersize=3,
            label=f"held out: {name.removesuffix('/loss')}",
        )
    axis.set_ylabel("Loss (nats per token)")


def _draw_rate(axis, training):
    tokens = _column(training, "tokens_seen")
    _draw(axis, tokens, _column(training, "learning_rate"), color="0.2")
    axis.set_ylim(bottom=0)
    axis.set_ylabel("Learning rate")


def _draw_batch(axis, training):
    tokens = _column(training, "tokens_seen")
    batch = _column(training, "batch_tokens")
    # Above the other, which swings.
    _draw(axis, tokens, batch, color="0.2", zorder=3, label="of the run")
    recommended = _column(training, "recommended_batch_tokens")
    # Without micro-batches or replicas there is no estimate.
    if np.isfinite(recommended).any():
        _draw(
            axis,
            tokens,
            recommended,
            color="tab:blue",
            linestyle="--",
            label="recommended by the noise scale",
        )
    axis.set_yscale("log")
    axis.set_ylabel("Batch (tokens)")


def _draw_norm(axis, training):
    tokens = _column(training, "tokens_seen")
    _draw(axis, tokens, _column(training, "gradient_norm"), color="0.2")
    axis.set_ylabel("Gradient norm")
    # The log counts them: a record may stand for several steps.
    skipped = _column(training, "skipped_updates")
    marked = tokens[np.diff(skipped, prepend=0.0) > 0]
    if len(marked):
        axis.plot(
            marked,
            np.full(len(marked), 0.05),
            "x",
            color="tab:red",
            # At the panel's foot: such a step's norm is often not finite.
            transform=axis.get_xaxis_transform(),
            label="updates skipped",
        )


# === Numbers ===


def _column(records, name):
    """A field of all records, NaN where it is unknown or not finite."""
    values = np.array([r.get(name) for r in records], dtype="float64")
    return np.where(np.isfinite(values), values, np.nan)


def _draw(axis, x, y, **options):
    kept = drawn_points(y)
    axis.plot(x[kept], y[kept], **options)


def drawn_points(values, num_pieces=_PIECES):
    """Indices of the points, at most `2 * num_pieces + 2`, to draw a curve by.

    Peaks stay: of each piece of the curve both extremes are kept, and of the
    whole the first and the last point.
    """
    count = len(values)
    if count <= 2 * num_pieces + 2:
        return np.arange(count)
    size = -(-count // num_pieces)
    starts = np.arange(0, count, size)
    padding = (0, len(starts) * size - count)
    kept = [0, count - 1]
    for find, worst in ((np.argmin, np.inf), (np.argmax, -np.inf)):
        known = np.where(np.isnan(values), worst, values)
        pieces = np.pad(known, padding, constant_values=worst)
        kept.extend(starts + find(pieces.reshape(-1, size), axis=1))
    return np.unique(kept)


def smoothed(values, half_width):
    """Means over neighbours, as many before a value as after it.

    Towards the ends there are fewer, so that a falling curve is not bent.
    NaN is left out of the means.
    """
    count = len(values)
    index = np.arange(count)
    half = np.minimum(half_width, np.minimum(index, count - 1 - index))

    def window_sums(terms):
        sums = np.concatenate([[0.0], np.cumsum(terms)])
        return sums[index + half + 1] - sums[index - half]

    known = ~np.isnan(values)
    totals = window_sums(np.where(known, values, 0.0))
    counts = window_sums(known)
    nothing = np.full(count, np.nan)
    return np.divide(totals, counts, out=nothing, where=counts > 0)
