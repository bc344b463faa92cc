"""The generation options of lm-evaluation-harness' tasks."""

import typing

from keras_gpt3.echoed_value import echoed
from keras_gpt3.integer_argument import check_integer

_LENGTHS = (
    "max_gen_toks",
    "max_new_tokens",
    "max_tokens",
    "max_completion_tokens",
)
_WHERE_DRAWN = ("temperature", "top_k", "top_p", "min_p")
_ALWAYS = ("repetition_penalty",)
_KNOWN = ("until", *_LENGTHS, "do_sample", *_WHERE_DRAWN, *_ALWAYS)


class HarnessOptions(typing.NamedTuple):
    """How a request is to be answered."""

    until: tuple
    max_gen_toks: int
    sampling: tuple

    @classmethod
    def read(cls, gen_kwargs, max_gen_toks=256):
        """Reads what a task asks for, by the harness' own rules.

        Nothing is drawn unless `do_sample` or a temperature above 0 says so.
        Several names stand for the length of an answer; the first that is
        given counts.
        """
        if not isinstance(gen_kwargs, dict):
            raise ValueError(
                "Generation options must be a dict. Received: type="
                f"{type(gen_kwargs).__name__}. Write generation_kwargs of the "
                "task as a mapping."
            )
        given = {k: v for k, v in gen_kwargs.items() if v is not None}
        _check_known(given)
        lengths = (given[name] for name in _LENGTHS if name in given)
        length = next(lengths, max_gen_toks)
        check_integer("max_gen_toks", length, minimum=1)
        return cls(_until(given.get("until")), int(length), _sampling(given))


def _check_known(given):
    unknown = {k: v for k, v in given.items() if k not in _KNOWN}
    # One beam is no beam search.
    if unknown.get("num_beams") == 1:
        del unknown["num_beams"]
    if unknown:
        shown = ", ".join(f"{name}={echoed(unknown[name])}" for name in unknown)
        raise ValueError(
            f"Generation options must be among {', '.join(_KNOWN)}. Received: "
            f"{shown}. Leave it out of the task's generation_kwargs."
        )


def _until(until):
    strings = [until] if isinstance(until, str) else until or []
    is_list = isinstance(strings, (list, tuple))
    if not is_list or not all(isinstance(s, str) for s in strings):
        raise ValueError(
            "until must be a string or a list of strings. Received: "
            f"until={echoed(until)}. Leave it out to stop at the end of text "
            "only."
        )
    # As in the harness, an empty string stands for none.
    return tuple(s for s in strings if s)


def _sampling(given):
    """Arguments of the sampler; 0 is its greedy temperature."""
    temperature = given.get("temperature")
    draws = given.get("do_sample", bool(temperature))
    if not isinstance(draws, bool):
        raise ValueError(
            "do_sample must be true or false. Received: "
            f"do_sample={echoed(draws)}. Leave it out for greedy decoding."
        )
    names = (*_ALWAYS, *_WHERE_DRAWN) if draws else _ALWAYS
    options = {name: given[name] for name in names if name in given}
    if not draws:
        options["temperature"] = 0.0
    return tuple(sorted(options.items()))
