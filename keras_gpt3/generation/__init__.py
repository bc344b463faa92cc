"""Decoding, on a step function: nothing here knows a model."""

from keras_gpt3.generation.decode_loop import decode
from keras_gpt3.generation.logit_filters import keep_top_k
from keras_gpt3.generation.sampler_loop import sample
from keras_gpt3.generation.seeded_sampler import SeededSampler
from keras_gpt3.generation.token_choice import choose_token

__all__ = ["SeededSampler", "choose_token", "decode", "keep_top_k", "sample"]
