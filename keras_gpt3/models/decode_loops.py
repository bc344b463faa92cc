"""The loops that continue prompts, as functions of tensors to compile."""

import functools

from keras import ops

from keras_gpt3.generation.beam_search import beam_search
from keras_gpt3.generation.decode_loop import decode_until
from keras_gpt3.generation.known_tokens import rule_out_unknown
from keras_gpt3.generation.sampler_loop import sample
from keras_gpt3.generation.sampling_steps import sampler_steps
from keras_gpt3.generation.sampling_steps import settings_steps


def step_loop(model, stop_token_ids, fixed_settings=None):
    """The loop that chooses token after token, up to some position."""

    def loop(end, state, padding_mask, settings):
        next_logits, sampler = _next_logits(model), model.sampler
        if fixed_settings is None:
            choose = sampler_steps(sampler)
        else:
            lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=-1)
            next_logits, choose = settings_steps(
                settings | fixed_settings, next_logits, lengths
            )
        return decode_until(
            end,
            next_logits,
            choose,
            state,
            padding_mask,
            stop_token_ids,
            _count_down,
            sampler.variables if fixed_settings is None else (),
        )

    return loop


def beam_loop(model, stop_token_ids, num_beams, length_penalty):
    """The paper's beam search."""

    def loop(token_ids, padding_mask, cache, ends):
        return beam_search(
            _next_logits(model),
            token_ids,
            padding_mask,
            cache,
            stop_token_ids,
            num_beams,
            length_penalty,
            ends,
        )

    return loop


def sampler_loop(model, stop_token_ids):
    """The loop of any sampler of keras-hub, up to the full length."""

    def loop(token_ids, padding_mask, hidden_states, cache):
        return sample(
            model.sampler,
            functools.partial(_logits_and_states, model),
            token_ids,
            padding_mask,
            cache,
            stop_token_ids or None,
            hidden_states=hidden_states,
            model=model,
        )

    return loop


def _next_logits(model):
    """The scores of a position, as `decode` takes them."""

    def next_logits(token_ids, cache, index):
        logits, _, cache = _logits_and_states(model, token_ids, cache, index)
        return logits, cache

    return next_logits


def _logits_and_states(model, token_ids, cache, index):
    """The scores of a position, the states they come from, and the cache."""
    backbone, preprocessor = model.backbone, model.preprocessor
    states, cache = backbone.decode_position(token_ids, cache, index)
    num_known = preprocessor and preprocessor.tokenizer.vocabulary_size()
    logits = rule_out_unknown(backbone.logits(states), num_known)
    return logits, states, cache


def _count_down(left, chosen, is_answer):
    """A watch that ends rows which have had all their tokens."""
    left = left - ops.cast(is_answer, left.dtype)
    return left, left <= 0
