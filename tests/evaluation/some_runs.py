"""Pretraining runs that were never made, with a law in their losses."""

import numpy as np

from keras_gpt3.evaluation.scaling.scaling_fit import ScalingLaw
from keras_gpt3.evaluation.scaling.scaling_runs import ScalingRun
from keras_gpt3.training.recipe.pretraining_config import DataSection
from keras_gpt3.training.recipe.pretraining_config import ModelSection
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
from keras_gpt3.training.run.folder import RunFolder
from keras_gpt3.training.run.log import RunLog

LAW = ScalingLaw(3.0, 0.06)
SIZES = [int(size) for size in np.geomspace(1e6, 1e9, 8)]


def some_run(size, law=LAW, noise=0.0, tokens_per_parameter=20.0):
    """A run that ends on a law, and is above it before."""
    tokens = size * np.geomspace(0.02, 1, 20) * tokens_per_parameter
    run = ScalingRun(f"run {size}", size, tuple(tokens), (), "validation")
    # A run of a size is most efficient at its own end.
    excess = 0.02 * np.log(tokens[-1] / tokens) ** 2
    losses = law.loss(run.compute) * np.exp(excess + noise)
    return ScalingRun(
        run.name, size, run.tokens, tuple(losses.tolist()), run.loss_kind
    )


def noisy_runs(seed, law=LAW):
    """Eight runs whose losses are off by 0.5% or so."""
    noises = np.random.default_rng(seed).normal(0, 0.005, len(SIZES))
    return [
        some_run(size, law, noise)
        for size, noise in zip(SIZES, noises, strict=True)
    ]


def write_run(folder, records, preset="gpt3_small_en", **sections):
    """A run folder with a config and a log."""
    config = PretrainingConfig(
        folder=str(folder),
        model=ModelSection(preset, overrides=sections.get("overrides", {})),
        data=DataSection(
            {"books": "shards"}, sequence_length=sections.get("length")
        ),
    )
    run = RunFolder(folder)
    run.write(config)
    log = RunLog(run.log)
    for record in records:
        log.write(record)
    return folder


def record(tokens, loss, kind="validation"):
    """A record of a log, with what the fit reads."""
    return {"kind": kind, "step": 1, "tokens_seen": tokens, "loss": loss}
