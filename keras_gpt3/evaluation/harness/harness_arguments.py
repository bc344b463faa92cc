"""The `model_args` of lm-evaluation-harness for the package's models."""

import typing

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.models.gpt3 import GPT3

_KNOWN = (
    "preset",
    "model",
    "dtype",
    "batch_size",
    "max_length",
    "max_gen_toks",
    "seed",
)
# The harness passes them to each model; TensorFlow finds its devices itself.
_UNUSED = ("device", "max_batch_size", "trust_remote_code")
_AUTO_BATCH_SIZE = 8


def check_unused(arguments):
    """Raise unless the harness passes such arguments to any model."""
    unknown = sorted(set(arguments) - set(_UNUSED))
    if unknown:
        raise ValueError(
            f"model_args must be among {', '.join(_KNOWN)}. Received: "
            f"{', '.join(unknown)}. Name the model as preset=..."
        )


def read_batch_size(batch_size):
    """Read a batch size as an integer."""
    if isinstance(batch_size, str):
        # "auto:4" asks to look for the size four times.
        if batch_size.partition(":")[0] == "auto":
            return _AUTO_BATCH_SIZE
        if batch_size.isdecimal():
            batch_size = int(batch_size)
    check_integer("batch_size", batch_size, minimum=1)
    return batch_size


def read_model(preset, model, dtype):
    """Load a model, unless there is one."""
    if (preset is None) == (model is None):
        raise ValueError(
            "Exactly one of preset and model must be given. Received: preset="
            f"{echoed(preset)}, model of type {type(model).__name__}. Name a "
            "folder, a handle or a preset as preset=..."
        )
    if model is None:
        # The harness makes numbers of strings of digits.
        model = GPT3.from_preset(str(preset), dtype=dtype)
    elif dtype is not None:
        raise ValueError(
            "dtype must be left out with a model. Received: dtype="
            f"{echoed(dtype)}. Load the model with it."
        )
    if getattr(model, "preprocessor", None) is None:
        raise ValueError(
            "A model must have a preprocessor to be evaluated on texts. "
            f"Received: {type(model).__name__} without one. Attach a "
            "GPT3Preprocessor."
        )
    return model


def read_max_length(max_length, model):
    """The tokens that a model is to read."""
    context = model.backbone.max_sequence_length
    max_length = context if max_length is None else max_length
    # A context and a token after it.
    check_integer("max_length", max_length, minimum=2)
    if max_length > context:
        raise ValueError(
            "max_length must be at most the model's max_sequence_length="
            f"{context}. Received: max_length={max_length}. Leave it out for "
            "the whole context."
        )
    return max_length


_LENGTHS = (
    "max_gen_toks",
    "max_new_tokens",
    "max_tokens",
    "max_completion_tokens",
)
_WHERE_DRAWN = ("temperature", "top_k", "top_p", "min_p")
_ALWAYS = ("repetition_penalty",)
_OPTIONS = ("until", *_LENGTHS, "do_sample", *_WHERE_DRAWN, *_ALWAYS)


class HarnessOptions(typing.NamedTuple):
    """How a request is to be answered."""

    until: tuple
    max_gen_toks: int
    sampling: tuple

    @classmethod
    def read(cls, gen_kwargs, max_gen_toks=256):
        """Read what a task requests, by the harness' own rules.

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
    unknown = {k: v for k, v in given.items() if k not in _OPTIONS}
    # One beam is not a beam search.
    if unknown.get("num_beams") == 1:
        del unknown["num_beams"]
    if unknown:
        shown = ", ".join(f"{name}={echoed(unknown[name])}" for name in unknown)
        raise ValueError(
            f"Generation options must be among {', '.join(_OPTIONS)}. "
            f"Received: {shown}. Leave it out of the task's generation_kwargs."
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
