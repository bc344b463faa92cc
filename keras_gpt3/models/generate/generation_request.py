"""The arguments of `generate` and `stream`, checked."""

import dataclasses

import keras_hub
import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.generation.beam_search import BeamSampler
from keras_gpt3.generation.prompt_messages import TRUNCATE
from keras_gpt3.generation.sampling_settings import check_sampling_options
from keras_gpt3.generation.sampling_steps import active_settings
from keras_gpt3.generation.seeded_sampler import SeededSampler
from keras_gpt3.generation.stop_strings import check_stop_strings
from keras_gpt3.ops.sequence_checks import check_sequence_length
from keras_gpt3.ops.sequence_checks import check_token_ids

# Samplers of keras-hub that give the same answer each time.
_SURE_SAMPLERS = (
    keras_hub.samplers.GreedySampler,
    keras_hub.samplers.BeamSampler,
    keras_hub.samplers.ContrastiveSampler,
)


@dataclasses.dataclass(frozen=True)
class GenerationRequest:
    """The arguments of `GPT3.generate` other than the prompts."""

    sampler: keras_hub.samplers.Sampler
    max_length: int | None = None
    max_new_tokens: int | None = None
    stop_token_ids: tuple = ()
    stop: tuple = ()
    num_return_sequences: int = 1
    truncate: str | None = None
    settings: dict | None = None
    # "prompt", or the model that drafts; see `speculative_decoding`.
    drafter: object = None

    @classmethod
    def checked(
        cls,
        model,
        max_length=None,
        stop_token_ids="auto",
        max_new_tokens=None,
        stop=None,
        num_return_sequences=1,
        truncate=None,
        sampler=None,
        assistant=None,
        speculative=None,
        **sampling_options,
    ):
        """Make a request of arguments that a user passed."""
        check_compiled(model)
        _check_lengths(model, max_length, max_new_tokens)
        if truncate not in (None, "left"):
            raise ValueError(f"{truncate}".join(TRUNCATE))
        stop = check_stop_strings(stop)
        if stop and model.preprocessor is None:
            raise ValueError(
                "stop must be left out where no preprocessor is attached. "
                f"Received: stop={list(stop)}. Use stop_token_ids."
            )
        options = check_sampling_options(sampling_options)
        sampler = model.sampler if sampler is None else sampler
        drafter = _drafter(model, assistant, speculative)
        settings = _settings(sampler, options, drafter)
        check_integer("num_return_sequences", num_return_sequences, minimum=1)
        _check_copies(sampler, settings, num_return_sequences)
        return cls(
            sampler,
            max_length,
            max_new_tokens,
            _stop_token_ids(model, stop_token_ids),
            stop,
            int(num_return_sequences),
            truncate,
            settings,
            drafter,
        )


def check_compiled(model):
    """Raise where a model was made with `compile=False`."""
    if not hasattr(model, "sampler"):
        raise ValueError(
            "A model must be compiled before it generates. Received: "
            "compile=False. You must call `compile()`, which sets its sampler."
        )


def _drafter(model, assistant, speculative):
    """What drafts tokens, `None` if nothing does."""
    if assistant is not None and speculative is not None:
        raise ValueError(
            "Only one of assistant and speculative may be given. Received: "
            f"assistant={type(assistant).__name__}, "
            f"speculative={echoed(speculative)}. Leave one out."
        )
    if assistant is None:
        if speculative not in (None, "prompt"):
            raise ValueError(
                'speculative must be "prompt" or None. Received: speculative='
                f"{echoed(speculative)}. Pass a model as assistant."
            )
        return speculative
    backbone = getattr(assistant, "backbone", None)
    if not hasattr(backbone, "call_with_cache"):
        raise ValueError(
            "assistant must be a GPT3 model. Received: assistant="
            f"{type(assistant).__name__}. Load one with GPT3.from_preset."
        )
    for name, fits in _FITS.items():
        own, other = (getattr(x, name) for x in (model.backbone, backbone))
        if not fits(own, other):
            raise ValueError(
                f"assistant must have {_RULES[name]}. Received: {name}={other}"
                f", the model's {name}={own}. Choose another draft model."
            )
    return assistant


_FITS = {
    "vocabulary_size": lambda own, other: other == own,
    "max_sequence_length": lambda own, other: other >= own,
}
_RULES = {
    "vocabulary_size": "the model's vocabulary",
    "max_sequence_length": "at least the model's context",
}


def _check_lengths(model, max_length, max_new_tokens):
    context = model.backbone.max_sequence_length
    if max_length is not None:
        check_integer("max_length", max_length, minimum=1)
        check_sequence_length(max_length, context)
    if max_new_tokens is None:
        return
    check_integer("max_new_tokens", max_new_tokens, minimum=1)
    if max_length is not None:
        raise ValueError(
            "Only one of max_length and max_new_tokens may be given. Received: "
            f"max_length={max_length}, max_new_tokens={max_new_tokens}. Leave "
            "one out."
        )


def _settings(sampler, options, drafter=None):
    """Settings that do something, or `None` if the sampler is to choose."""
    if isinstance(sampler, SeededSampler):
        return active_settings(sampler.get_config() | options)
    if options:
        return active_settings(options)
    if drafter is None:
        return None
    if type(sampler) is not keras_hub.samplers.GreedySampler:
        raise ValueError(
            "sampler must be a SeededSampler or greedy where tokens are "
            f"drafted. Received: sampler={type(sampler).__name__}. Pass "
            "settings such as temperature, or leave out assistant and "
            "speculative."
        )
    return active_settings({"temperature": 0.0})


def _check_copies(sampler, settings, count):
    """Raise if a prompt's answers would all be the same."""
    if count == 1:
        return
    if settings is None and isinstance(sampler, BeamSampler):
        if count > sampler.num_beams:
            raise ValueError(
                "num_return_sequences must be at most the sampler's num_beams="
                f"{sampler.num_beams}. Received: num_return_sequences={count}. "
                "Search with more beams."
            )
        return
    is_sure = isinstance(sampler, _SURE_SAMPLERS)
    if settings is not None:
        is_sure = settings["temperature"] == 0
    if is_sure:
        raise ValueError(
            "num_return_sequences must be 1 where all answers would be the "
            f"same. Received: num_return_sequences={count}. Pass a temperature "
            "above 0, or compile with a keras_gpt3.generation.BeamSampler."
        )


def _stop_token_ids(model, stop_token_ids):
    if isinstance(stop_token_ids, str) and stop_token_ids == "auto":
        if model.preprocessor is None:
            return tuple(model.special_token_ids.get("eos_token_id", ()))
        return (model.preprocessor.tokenizer.end_token_id,)
    if stop_token_ids is None:
        return ()
    ids = np.atleast_1d(stop_token_ids)
    if ids.size and not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(
            "stop_token_ids must be a list of integers, None or 'auto'. "
            f"Received: stop_token_ids={echoed(stop_token_ids)}. Use stop for "
            "strings."
        )
    if ids.size:
        check_token_ids(ids, model.backbone.vocabulary_size, "stop_token_ids")
    return tuple(ids.astype(int).tolist())
