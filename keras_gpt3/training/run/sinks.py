"""Where a run's records go: a terminal, a picture, TensorBoard, W&B."""

import logging
import numbers
import pathlib
import secrets
import sys

import keras

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.parallel.replicas import is_chief
from keras_gpt3.reporting.progress import ProgressBar
from keras_gpt3.reporting.progress import clock
from keras_gpt3.training.run.folder import RunFolder
from keras_gpt3.training.run.log import TASKS
from keras_gpt3.training.run.log import plot_run

_logger = logging.getLogger("keras_gpt3")

_COMPILING = "compiling the first step"


class ConsoleSink:
    """Takes records; to be given to a run.

    On a terminal a bar moves at every step, and only validations make lines;
    elsewhere every record that is due makes one. `verbose=False` shows nothing.
    From the record of the start, of kind `"start"`, to that of the first step
    it says that it compiles.
    """

    def __init__(self, num_steps, verbose="auto", file=None):
        self._num_steps = num_steps
        file = sys.stderr if file is None else file
        self._is_silent = not verbose
        self._has_bar = file.isatty() and not self._is_silent
        self._bar = ProgressBar(
            "pretraining", num_steps, 0, self._has_bar, "steps", file
        )

    def __call__(self, record, is_due):
        """Show one record."""
        if self._is_silent:
            return
        if record["kind"] == "start":
            self._start(record["step"])
        elif record["kind"] == "validation":
            self._bar.print(_validation_line(record))
        elif self._has_bar:
            self._bar.update(
                record["step"], _state(record), record["seconds_left"]
            )
        elif is_due:
            self._bar.print(_train_line(record, self._num_steps))

    def close(self):
        """Leave the terminal as it was."""
        self._bar.close()

    def _start(self, step):
        if step >= self._num_steps:
            return  # Nothing is left to be compiled.
        if self._has_bar:
            self._bar.resume(step, _COMPILING)
        else:
            self._bar.print(f"step {step}/{self._num_steps}, {_COMPILING}")


def _state(record):
    rate = record["tokens_per_second"] or 0.0
    return f"loss {record['loss']:.4f}, {rate:,.0f} tokens/s"


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
    if record["seconds_left"] is not None:
        parts.append(f"{clock(record['seconds_left'])} left")
    return ", ".join(parts)


def _validation_line(record):
    parts = [f"step {record['step']}"]
    sets = [
        f"{name.rpartition('/')[0]} {value:.4f}"
        for name, value in record.items()
        if name.endswith("/loss")
    ]
    if sets:
        parts.append(f"held-out loss: {', '.join(sets)}")
    parts += [
        f"{name.removeprefix(TASKS)} {value:.3f}"
        for name, value in record.items()
        if name.startswith(TASKS)
    ]
    # A line a sample: an answer may hold line ends.
    samples = [f"\n  {echoed(text)}" for text in record.get("samples", ())]
    return ", ".join(parts) + "".join(samples)


class PlotSink:
    """Takes records; to be given to a run, after what writes its log.

    It draws the log of the folder into `curves.png` after each validation and
    at the end. A failure to draw is logged, not raised: the run continues.
    """

    def __init__(self, folder):
        self._folder = RunFolder(folder).path
        self.path = self._folder / "curves.png"
        self._is_behind = False

    def __call__(self, record, is_due):
        """Draw after a validation, whose record is in the log by then."""
        self._is_behind |= is_due
        if record["kind"] == "validation":
            self._draw()

    def close(self):
        """Draw what came after the last validation."""
        if self._is_behind:
            self._draw()

    def _draw(self):
        try:
            plot_run(self._folder, self.path)
            self._is_behind = False
        # Whatever it is, the run is worth more than its picture.
        except Exception as error:
            _logger.warning(
                "The curves could not be drawn to %s: %s The run continues.",
                self.path,
                error,
            )


class TensorBoardSink:
    """Takes records; to be given to a run.

    The scalars are called as in the log, after the kind of record:
    `train/loss`, `validation/books/loss`.
    """

    def __init__(self, folder):
        import tensorflow as tf

        self._writer = tf.summary.create_file_writer(str(folder))

    def __call__(self, record, is_due):
        """Write one record."""
        import tensorflow as tf

        if not is_due:
            return
        with self._writer.as_default(step=record["step"]):
            for name, value in record.items():
                is_number = isinstance(value, numbers.Real)
                if is_number and name not in ("step", "batch"):
                    tf.summary.scalar(f"{record['kind']}/{name}", float(value))
            if "samples" in record:
                tf.summary.text("samples", record["samples"])
        # A kill loses none.
        self._writer.flush()


class WandbSink:
    """Takes records; to be given to a run, or through `WandbCallback` to `fit`.

    A file in the folder holds the id that the run has there, so that a resumed
    run continues in the same chart.
    """

    def __init__(self, project, folder, config=None):
        wandb = import_wandb(project)
        place = {}
        if folder is not None:
            folder = pathlib.Path(folder)
            folder.mkdir(parents=True, exist_ok=True)
            place = {
                "dir": str(folder),
                "name": folder.resolve().name,
                "id": _identity(folder / "wandb_run.txt"),
                "resume": "allow",
            }
        self._run = wandb.init(project=project, config=config, **place)
        # Not wandb's own count of steps, which drops what comes before its
        # last one: a run that goes back logs steps again.
        self._run.define_metric("*", step_metric="step")

    def __call__(self, record, is_due):
        """Send one record."""
        if not is_due:
            return
        kind, step = record["kind"], record["step"]
        values = {
            f"{kind}/{name}": float(value)
            for name, value in record.items()
            if isinstance(value, numbers.Real) and name != "step"
        }
        self._run.log(values | {"step": step})

    def close(self):
        """End the run there."""
        self._run.finish()


def import_wandb(project):
    """Import wandb, which no extra of the package installs."""
    try:
        import wandb
    except ImportError as error:
        raise ImportError(
            "wandb must be installed to log to it. Received: "
            f"wandb_project={echoed(project)}. Install it with pip install "
            "wandb, or leave the project out."
        ) from error
    return wandb


def _identity(path):
    """The id that a file holds; a new one is written to it."""
    if not path.exists():
        path.write_text(secrets.token_hex(8), "utf-8")
    return path.read_text("utf-8")


class WandbCallback(keras.callbacks.Callback):
    """A callback that logs batches and epochs of `fit` to Weights & Biases.

    wandb's own callback does not support Keras 3 (wandb#7186). The charts are
    named `batch/loss`, `epoch/loss`, `epoch/val_loss`, over the batches that
    the optimizer has seen. Of several workers, the chief alone logs.

    Args:
        project: string. The project's name.
        folder: path. Where wandb keeps its files. A later `fit` with the same
            folder continues in the same chart. Defaults to `None`: a new chart
            for each `fit`.
        config: dict. What to show as the run's configuration. Defaults to
            `None`.
        log_every: int. Batches between two that are logged. Defaults to `100`.

    Raises:
        ImportError: If wandb is not installed.
        ValueError: If `log_every` is below 1.

    Example:

    ```python
    from keras_gpt3.training import WandbCallback

    try:
        callbacks = [WandbCallback("small-gpt3")]
    except ImportError:  # wandb is not installed.
        callbacks = []
    ```
    """

    def __init__(self, project, folder=None, config=None, log_every=100):
        super().__init__()
        check_integer("log_every", log_every, minimum=1)
        import_wandb(project)  # Raises now, not after the data is read.
        self._run = (project, folder, config)
        self._log_every = log_every
        self._sink = None

    def on_train_begin(self, logs=None):
        # A model has none under JAX, which knows its processes itself.
        if is_chief(getattr(self.model, "distribute_strategy", None)):
            self._sink = WandbSink(*self._run)

    def on_train_batch_end(self, batch, logs=None):
        self._log("batch", (batch + 1) % self._log_every == 0, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._log("epoch", True, {"epoch": epoch} | (logs or {}))

    def on_train_end(self, logs=None):
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _log(self, kind, is_due, logs):
        if self._sink is not None and is_due:
            step = int(self.model.optimizer.iterations)
            self._sink({"kind": kind, "step": step} | (logs or {}), is_due)
