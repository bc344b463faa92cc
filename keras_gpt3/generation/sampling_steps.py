"""Sampling settings, and keras-hub's samplers, as steps of the decode loop."""

import keras_hub
from keras import ops

from keras_gpt3.generation.decode_loop import mask_up_to_stop
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
        logits = penalized_scores(
            logits, token_ids, index, prompt_lengths, settings
        )
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


def sample(
    sampler,
    next_logits,
    token_ids,
    padding_mask,
    cache,
    stop_token_ids,
    **context,
):
    """Continue a batch of right-padded prompts up to their full length.

    Args:
        sampler: `keras_hub.samplers.Sampler`.
        next_logits: callable. `next_logits(token_ids, cache, index)` returns
            the scores for position `index`, shape
            `(batch, vocabulary_size)`, the hidden states they come from,
            shape `(batch, hidden_dim)`, and the updated cache.
        token_ids: int tensor of shape `(batch, length)`.
        padding_mask: bool tensor of shape `(batch, length)`, True on the
            prompt.
        cache: cache after the prompts, as `next_logits` takes it.
        stop_token_ids: `None`, or a list of ids at which a row ends.
        **context: further arguments of the sampler: `hidden_states`, `model`.

    Returns:
        A dict of `"token_ids"` and `"padding_mask"`, shape `(batch, length)`;
        the mask ends with the first stop token that was generated.

    Raises:
        ValueError: If the sampler returns several answers for a prompt.

    Example:

    ```python
    import keras
    import keras_hub
    import numpy as np
    from keras_gpt3.generation import sample

    def count_up(token_ids, cache, index):
        previous = keras.ops.take(token_ids, index - 1, axis=1)
        logits = keras.ops.one_hot(previous + 1, 10)
        return logits, logits, cache

    answer = sample(
        keras_hub.samplers.GreedySampler(),
        count_up,
        token_ids=np.array([[3, 4, 0, 0, 0]], "int32"),
        padding_mask=np.array([[True, True, False, False, False]]),
        cache=(),
        stop_token_ids=[6],
    )
    answer["padding_mask"]  # [[True, True, True, True, False]]
    ```
    """
    lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=-1)
    generated = sampler(
        next=next_logits,
        # GPT-3 pads with the end of text, which the sampler would mistake for
        # the end of an answer: positions to come have no valid id.
        prompt=ops.where(padding_mask, token_ids, -1),
        cache=cache,
        # Longer prompts are kept: the sampler writes only outside the mask.
        index=ops.min(lengths),
        mask=padding_mask,
        stop_token_ids=stop_token_ids,
        **context,
    )
    if isinstance(generated, tuple):
        raise ValueError(
            "sampler must return one answer for each prompt. Received: "
            f"sampler={type(sampler).__name__} with return_all_beams=True. "
            "Use keras_gpt3.generation.beam_search for all answers."
        )
    mask = mask_up_to_stop(generated, padding_mask, stop_token_ids or ())
    return {
        "token_ids": ops.where(mask, generated, token_ids),
        "padding_mask": mask,
    }


def penalized_scores(logits, token_ids, index, prompt_lengths, settings):
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
