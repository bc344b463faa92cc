"""Sends a run's records to Weights & Biases."""

import numbers
import pathlib
import secrets

from keras_gpt3.echoed_value import echoed


class WandbSink:
    """Takes records; to be given to a run, or through `WandbCallback` to `fit`.

    A file in the folder holds the id that the run has there, so that a resumed
    run goes on in the same chart.
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
        # last one: a run that goes back tells steps again.
        self._run.define_metric("*", step_metric="step")

    def __call__(self, record, is_due):
        """Sends one record."""
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
        """Ends the run there."""
        self._run.finish()


def import_wandb(project):
    """Imports wandb, which no extra of the package installs."""
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
