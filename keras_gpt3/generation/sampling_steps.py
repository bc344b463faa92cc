"""Sampling settings, and keras-hub's samplers, as steps of the decode loop."""

import keras_hub
from keras import ops

from keras_gpt3.generation.sampling_settings import SAMPLING_DEFAULTS
from keras_gpt3.generation.sampling_settings import logit_bias_vector
from keras_gpt3.generation.token_choice import choose_token
from keras_gpt3.generation.token_penalties import penalize_frequency
from keras_gpt3.generation.token_penalties import penalize_presence
from keras_gpt3.generation.token_penalties import penalize_repetition

# Of tokens of the answer, in vLLM's order.
_ANSWER_PENALTIES = {
    "frequency_penalty": penalize_frequency,
    "presence_penalty": penalize_presence,
}


def active_settings(options):
    """Complete options by their defaults and drop what changes nothing."""
    return {
        name: value
        for name, value in (SAMPLING_DEFAULTS | options).items()
        if name in ("temperature", "seed")
        or (value or None) != (SAMPLING_DEFAULTS[name] or None)
    }


def settings_steps(settings, next_logits, prompt_lengths):
    """The two steps of sampling by settings.

    In vLLM's order, the biases, the repetition penalty, the frequency and the
    presence penalty are applied to the scores; `choose_token` does the rest.
    """
    choice = {"temperature": 1.0, "top_k": 0, "seed": 0}
    names = (*choice, "top_p", "min_p")
    choice |= {name: settings[name] for name in names if name in settings}

    def penalized_logits(token_ids, cache, index):
        logits, cache = next_logits(token_ids, cache, index)
        logits = _penalized(logits, token_ids, index, prompt_lengths, settings)
        return logits, cache

    def choose(logits, index):
        return choose_token(logits, index, **choice)

    return penalized_logits, choose


def sampler_steps(sampler):
    """The choice of a keras-hub sampler that sees one position at a time."""

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
    for name, penalize in _ANSWER_PENALTIES.items():
        if name in settings:
            logits = penalize(logits, *answer, settings[name])
    return logits
