"""Pretraining runs as curves of loss over compute."""

import dataclasses
import pathlib

import numpy as np

from keras_gpt3.planning.describe import describe
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.preset_loader import is_shipped
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.reporting.figures import trailing_average
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
from keras_gpt3.training.run.folder import RunFolder
from keras_gpt3.training.run.log import RunLog

# Table D.1: a multiplication and an addition, forward and twice backward.
FLOPS_PER_PARAMETER_AND_TOKEN = 6
PETAFLOP_S_DAY = 1e15 * 24 * 60 * 60


@dataclasses.dataclass(frozen=True)
class ScalingRun:
    """One run: its size, and how the loss fell."""

    name: str
    num_parameters: int
    tokens: tuple
    losses: tuple
    loss_kind: str

    @property
    def compute(self):
        """PF-days at each of the tokens, an array."""
        flops = FLOPS_PER_PARAMETER_AND_TOKEN * float(self.num_parameters)
        return flops * np.array(self.tokens, "float64") / PETAFLOP_S_DAY


def read_runs(folders, with_embeddings=True):
    """Read the folders of several runs.

    Compute is 6 FLOPs a parameter and token, as in Table D.1, attention left
    out. That table counts all parameters. Figure 3.1 and the paper's law leave
    embeddings out: in small models they are most of it.

    Losses are those of validation, as in Figure 3.1, or, in a run without,
    means over the last 5% of its training losses.
    """
    return [_read_run(folder, with_embeddings) for folder in folders]


def _read_run(folder, with_embeddings):
    folder = RunFolder(folder)
    config = folder.saved_config(PretrainingConfig)
    if config is None:
        raise ValueError(
            "A run must be the folder of a pretraining run. Received: "
            f"'{folder.path}', without config.yaml. Pass folders that "
            "keras-gpt3 pretrain wrote."
        )
    parameters = _parameters(folder, config)
    embeddings = sum(n for part, n in parameters.items() if "embedding" in part)
    total = sum(parameters.values())
    tokens, losses, kind = _losses(folder)
    return ScalingRun(
        name=pathlib.Path(folder.path).resolve().name,
        num_parameters=total if with_embeddings else total - embeddings,
        tokens=tokens,
        losses=losses,
        loss_kind=kind,
    )


def _parameters(folder, config):
    """Counts of the run's model by part."""
    if folder.preset.is_dir():
        # Of a run that reached its end: the model itself.
        return describe(folder.preset).parameters
    section = config.model
    if not is_shipped(section.preset):
        arguments = describe(section.preset).config
        return count_parameters(arguments | section.overrides)
    arguments = load_shipped_preset(section.preset)["backbone"]
    if config.data.sequence_length is not None:
        # The command makes a new model no longer than its data.
        arguments["max_sequence_length"] = config.data.sequence_length
    return count_parameters(arguments | section.overrides)


def _losses(folder):
    """Tokens, losses and their kind."""
    records = [
        record
        for number, record in enumerate(RunLog(folder.log).read(), start=1)
        if _has_loss(record, f"line {number} of '{folder.log}'")
    ]
    for kind in ("validation", "train"):
        chosen = [r for r in records if r.get("kind") == kind]
        if chosen:
            break
    else:
        raise ValueError(
            "A run must have a log with losses. Received: "
            f"'{folder.path}', whose log.jsonl has none that is finite. Train "
            "it, or leave it out."
        )
    tokens = tuple(r["tokens_seen"] for r in chosen)
    losses = np.array([r["loss"] for r in chosen], "float64")
    if kind == "train":  # Each is of one batch.
        losses = trailing_average(losses)
    name = "validation" if kind == "validation" else "training"
    return tokens, tuple(losses.tolist()), name


def _has_loss(record, where):
    """Whether a record has a finite loss at some tokens."""
    try:
        loss = record.get("loss")
        is_later = record.get("tokens_seen", 0) > 0
        return is_later and loss is not None and bool(np.isfinite(loss))
    except (AttributeError, TypeError) as error:
        raise ValueError(
            "Each line of a log must be an object whose loss and tokens are "
            f"numbers. Received: {where}, {str(record)[:40]}. Delete that line."
        ) from error
