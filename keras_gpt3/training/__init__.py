"""The paper's training recipe, and the step that `GPT3.fit` runs."""

from keras_gpt3.training.adamw import AdamW
from keras_gpt3.training.perplexity import Perplexity
from keras_gpt3.training.pretraining_recipe import PretrainingRecipe
from keras_gpt3.training.token_clock import TokenClock
from keras_gpt3.training.training_progress import TrainingProgress

__all__ = [
    "AdamW",
    "Perplexity",
    "PretrainingRecipe",
    "TokenClock",
    "TrainingProgress",
]
