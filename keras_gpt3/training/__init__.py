"""The paper's training recipe, the step of `GPT3.fit`, and pretraining runs.

Read `recipe` (Appendix B), `step` (loss, gradients, update; `jax` under JAX),
then `run` (a pretraining run) with `checkpoints`; `finetuning` trains on pairs.
"""

import typing

from keras_gpt3.argument_checks import echoed
from keras_gpt3.training.checkpoints.run_checkpoints import RestoredCheckpoint
from keras_gpt3.training.checkpoints.run_checkpoints import RunCheckpoints
from keras_gpt3.training.checkpoints.sharded_checkpoint import ShardedCheckpoint
from keras_gpt3.training.checkpoints.sharded_checkpoint import (
    restore_sharded_checkpoint,
)
from keras_gpt3.training.finetuning.finetune import finetune
from keras_gpt3.training.finetuning.recipe import FinetuningRecipe
from keras_gpt3.training.recipe.pretraining_recipe import PretrainingRecipe
from keras_gpt3.training.recipe.token_clock import TokenClock
from keras_gpt3.training.run.log import plot_run
from keras_gpt3.training.run.pretrain import pretrain
from keras_gpt3.training.run.sinks import WandbCallback
from keras_gpt3.training.step.adamw import AdamW
from keras_gpt3.training.step.deviceless_compilation import lower_train_step
from keras_gpt3.training.step.deviceless_compilation import without_weights
from keras_gpt3.training.step.gradient_noise_scale import GradientNoiseScale
from keras_gpt3.training.step.metrics import Perplexity
from keras_gpt3.training.step.metrics import TrainingProgress

if typing.TYPE_CHECKING:  # For readers of the code, the documentation's too.
    from keras_gpt3.training.recipe.pretraining_config import CheckpointSection
    from keras_gpt3.training.recipe.pretraining_config import DataSection
    from keras_gpt3.training.recipe.pretraining_config import DevicesSection
    from keras_gpt3.training.recipe.pretraining_config import HealthSection
    from keras_gpt3.training.recipe.pretraining_config import LogSection
    from keras_gpt3.training.recipe.pretraining_config import ModelSection
    from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
    from keras_gpt3.training.recipe.pretraining_config import RecipeSection
    from keras_gpt3.training.recipe.pretraining_config import ValidationSection

__all__ = [
    "AdamW",
    "CheckpointSection",
    "DataSection",
    "DevicesSection",
    "FinetuningRecipe",
    "GradientNoiseScale",
    "HealthSection",
    "LogSection",
    "ModelSection",
    "Perplexity",
    "PretrainingConfig",
    "PretrainingRecipe",
    "RecipeSection",
    "RestoredCheckpoint",
    "RunCheckpoints",
    "ShardedCheckpoint",
    "TokenClock",
    "TrainingProgress",
    "ValidationSection",
    "WandbCallback",
    "finetune",
    "lower_train_step",
    "plot_run",
    "pretrain",
    "restore_sharded_checkpoint",
    "without_weights",
]


def __getattr__(name):
    # Configs need pydantic, which comes with the extra `pretrain`.
    if name in __all__:
        from keras_gpt3.training.recipe import pretraining_config

        return getattr(pretraining_config, name)
    raise AttributeError(
        f"A name of {__name__} must be one that it has. Received: "
        f"{echoed(name)}. Use one of {', '.join(__all__)}."
    )
