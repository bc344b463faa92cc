"""How a model is spread over devices."""

from keras_gpt3.parallel.pretraining_strategy import pretraining_strategy
from keras_gpt3.parallel.replicas import mirrored_strategy

__all__ = ["mirrored_strategy", "pretraining_strategy"]
