"""The paper's training recipe, the step of `GPT3.fit`, and pretraining runs."""

from keras_gpt3.training.adamw import AdamW
from keras_gpt3.training.checkpoint_section import CheckpointSection
from keras_gpt3.training.data_section import DataSection
from keras_gpt3.training.devices_section import DevicesSection
from keras_gpt3.training.finetune import finetune
from keras_gpt3.training.finetuning_recipe import FinetuningRecipe
from keras_gpt3.training.gradient_noise_scale import GradientNoiseScale
from keras_gpt3.training.health_section import HealthSection
from keras_gpt3.training.jax_lowering import lower_train_step
from keras_gpt3.training.jax_lowering import without_weights
from keras_gpt3.training.log_section import LogSection
from keras_gpt3.training.model_section import ModelSection
from keras_gpt3.training.perplexity import Perplexity
from keras_gpt3.training.pretrain import pretrain
from keras_gpt3.training.pretraining_config import PretrainingConfig
from keras_gpt3.training.pretraining_recipe import PretrainingRecipe
from keras_gpt3.training.recipe_section import RecipeSection
from keras_gpt3.training.restored_checkpoint import RestoredCheckpoint
from keras_gpt3.training.run_checkpoints import RunCheckpoints
from keras_gpt3.training.run_plot import plot_run
from keras_gpt3.training.sharded_checkpoint import ShardedCheckpoint
from keras_gpt3.training.sharded_checkpoint_restore import (
    restore_sharded_checkpoint,
)
from keras_gpt3.training.token_clock import TokenClock
from keras_gpt3.training.training_progress import TrainingProgress
from keras_gpt3.training.validation_section import ValidationSection
from keras_gpt3.training.wandb_callback import WandbCallback

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
