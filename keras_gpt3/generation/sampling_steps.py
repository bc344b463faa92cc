"""Samplers taken apart: what they do to scores, and how they choose."""

import keras_hub
from keras import ops

from keras_gpt3.generation.logit_bias import logit_bias_vector
from keras_gpt3.generation.token_choice import choose_token
from keras_gpt3.generation.token_penalties import penalize_frequency
from keras_gpt3.generation.token_penalties import penalize_presence
from keras_gpt3.generation.token_penalties import penalize_repetition

# Values at which an option changes nothing.
_NEUTRAL = {
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "logit_bias": None,
}
_DEFAULTS = _NEUTRAL | {"temperature": 1.0, "seed": None}


def active_settings(options):
    """Completes options by their defaults and drops what changes nothing."""
    return {
        name: value
        for name, value in (_DEFAULTS | options).items()
        if name not in _NEUTRAL or (value or None) != (_NEUTRAL[name] or None)
    }


def settings_steps(settings, next_logits, prompt_lengths):
    """The two steps of sampling by settings.

    The scores get, in vLLM's order, the biases, the repetition penalty, the
    frequency and the presence penalty; then `choose_token` applies the rest.
    """
    choice = {"temperature": 1.0, "top_k": 0, "seed": 0}
    for name in (*choice, "top_p", "min_p"):
        if name in settings:
            choice[name] = settings[name]

    def penalized_logits(token_ids, cache, index):
        logits, cache = next_logits(token_ids, cache, index)
        logits = _penalized(logits, token_ids, index, prompt_lengths, settings)
        return logits, cache

    def choose(logits, index):
        return choose_token(logits, index, **choice)

    return penalized_logits, choose


def sampler_steps(sampler):
    """The choice of a keras-hub sampler that looks at one position at a
    time.
    """

    def choose(logits, index):
        return sampler.get_next_token(sampler.compute_probabilities(logits))

    return choose


def is_stepwise(sampler):
    """Whether a keras-hub sampler chooses token after token.

    Others, such as a beam search, have a loop of their own.
    """
    return type(sampler).__call__ is keras_hub.samplers.Sampler.__call__


def _penalized(logits, token_ids, index, prompt_lengths, settings):
    """The scores in float32 with biases and penalties."""
    logits = ops.cast(logits, "float32")
    if "logit_bias" in settings:
        bias = settings["logit_bias"]
        if isinstance(bias, dict):
            bias = logit_bias_vector(bias, logits.shape[-1])
        logits = logits + bias
    if "repetition_penalty" in settings:
        logits = penalize_repetition(
            logits, token_ids, index, settings["repetition_penalty"]
        )
    answer = (token_ids, index, prompt_lengths)
    if "frequency_penalty" in settings:
        logits = penalize_frequency(
            logits, *answer, settings["frequency_penalty"]
        )
    if "presence_penalty" in settings:
        logits = penalize_presence(
            logits, *answer, settings["presence_penalty"]
        )
    return logits
