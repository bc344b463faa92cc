"""How a model is spread over devices."""

from keras_gpt3.parallel.replicas import mirrored_strategy
from keras_gpt3.parallel.replicas import pretraining_strategy

__all__ = ["mirrored_strategy", "pretraining_strategy"]
