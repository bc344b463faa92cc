"""Decoding, on a step function: nothing here knows a model.

Read `decode_loop.py`, `token_choice.py` with its `logit_filters.py`,
`seeded_draws.py` and `token_penalties.py`, `sampling_steps.py` and
`seeded_sampler.py`, `speculative_decoding.py` with its `drafters.py`, then
`beam_search.py`.
"""

from keras_gpt3.generation.beam_search import BeamSampler
from keras_gpt3.generation.beam_search import beam_search
from keras_gpt3.generation.decode_loop import decode
from keras_gpt3.generation.logit_filters import keep_min_p
from keras_gpt3.generation.logit_filters import keep_top_k
from keras_gpt3.generation.logit_filters import keep_top_p
from keras_gpt3.generation.sampling_steps import sample
from keras_gpt3.generation.seeded_sampler import SeededSampler
from keras_gpt3.generation.stop_strings import TextPieces
from keras_gpt3.generation.token_choice import choose_token
from keras_gpt3.generation.token_penalties import penalize_frequency
from keras_gpt3.generation.token_penalties import penalize_presence
from keras_gpt3.generation.token_penalties import penalize_repetition

__all__ = [
    "BeamSampler",
    "SeededSampler",
    "TextPieces",
    "beam_search",
    "choose_token",
    "decode",
    "keep_min_p",
    "keep_top_k",
    "keep_top_p",
    "penalize_frequency",
    "penalize_presence",
    "penalize_repetition",
    "sample",
]
