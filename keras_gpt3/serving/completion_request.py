"""Requests for completions, in OpenAI's form: from JSON to checked options.

Names, defaults and ranges are those of OpenAI's reference, and `top_k`, `min_p`
and `repetition_penalty` those of vLLM. What the model cannot do is refused, and
so is any option that is not known: nothing is left out silently.
"""

import dataclasses
import re

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.generation.sampling_settings import SETTING_RANGES
from keras_gpt3.generation.sampling_settings import check_logit_bias
from keras_gpt3.serving.json_body import RequestError
from keras_gpt3.serving.json_body import parse_body
from keras_gpt3.serving.request_limits import check_option
from keras_gpt3.tokenization.tokenizer_inputs import check_text

# Checked as the inputs of `generate` are.
_SAMPLING = (*SETTING_RANGES, "top_k", "seed", "stop")
_MAX_TOKENS = 16
_MOST_CHOICES = 128
_MOST_TOP = 5
_MOST_BIAS = 100
# Each step of an answer puts all of them into its inputs.
_MOST_BIASES = 1024
# What clients send who take the model for one that chats.
_CHAT = (
    *("messages", "tools", "tool_choice", "functions", "function_call"),
    *("response_format", "max_completion_tokens"),
)


@dataclasses.dataclass(frozen=True)
class CompletionRequest:
    """What is asked for: prompts, as texts or ids, and options for all."""

    prompts: list
    n: int
    max_tokens: int
    echo: bool
    # -1: no log-probabilities.
    num_top: int
    stream: bool
    include_usage: bool
    options: dict

    @property
    def num_rows(self):
        """The answers that are written, or prompts that are scored."""
        return len(self.prompts) * self.n

    @property
    def scores_prompts(self):
        """Whether log-probabilities of the prompts are asked for."""
        return self.echo and self.num_top >= 0

    def row_options(self, choice):
        """The options of one of the answers to a prompt.

        With a seed, the first is what a request for one alone gets.
        """
        seed = self.options["seed"]
        if seed >= 0:
            seed = (seed + choice) % 2**31
        return self.options | {"seed": seed}


def parse_completion(body, settings):
    """Read and check a request."""
    checks = {name: _sampling_check(name, settings) for name in _SAMPLING}
    checks |= _CHECKS | {
        "max_tokens": lambda value: _check_max_tokens(value, settings),
        "model": lambda value: _check_model(value, settings),
        "prompt": _check_prompt,
    }
    given = parse_body(body, tuple(checks), refused_later=_CHAT)
    _check_not_chat(given)
    # As OpenAI does: null is what is left out.
    given = {name: value for name, value in given.items() if value is not None}
    if "prompt" not in given:
        raise _error(
            "prompt",
            "A completion must have a prompt. Received: none"
            ". Add one: a text, ids, or a list of these.",
        )
    found = dict(_DEFAULTS) | {
        name: _about(name, checks[name], value) for name, value in given.items()
    }
    if settings.max_new_tokens is not None:
        limit = settings.max_new_tokens
        found["max_tokens"] = min(found["max_tokens"], limit)
    _check_together(found, given, settings)
    return CompletionRequest(
        prompts=found["prompt"],
        n=found["n"],
        max_tokens=found["max_tokens"],
        echo=found["echo"],
        num_top=found["logprobs"],
        stream=found["stream"],
        include_usage=found["stream_options"].get("include_usage", False),
        options={
            name: found[name]
            for name in (*SETTING_RANGES, "top_k", "seed", "stop", "logit_bias")
        },
    )


def _about(name, check, value):
    """Check an option; its error says which it is."""
    try:
        return check(value)
    except ValueError as error:
        raise _error(name, str(error)) from None


def _error(name, message, status=400, code=None):
    return RequestError(status, message, param=name, code=code)


def _check_together(found, given, settings):
    """What depends on several options."""
    n, rows = found["n"], len(found["prompt"]) * found["n"]
    if "best_of" in given and found["best_of"] != n:
        raise _error(
            "best_of",
            "best_of must equal n: all answers are given. Received: "
            f"best_of={found['best_of']}, n={n}. Leave it out, and choose "
            "by logprobs.",
        )
    if found["max_tokens"] == 0 and not found["echo"]:
        raise _error(
            "max_tokens",
            "max_tokens must be at least 1 without echo. Received: "
            "max_tokens=0. Request a token, or set echo to have the prompt "
            "scored.",
        )
    if found["stream_options"] and not found["stream"]:
        raise _error(
            "stream_options",
            "stream_options must come with stream. Received: stream=False. "
            "Set stream to true.",
        )
    if rows > settings.max_queue:
        raise _error(
            "prompt",
            f"A request must have at most {settings.max_queue} prompts times "
            f"n. Received: {rows}. Split it, or start the server with a higher "
            "--max-queue.",
        )


def _check_not_chat(given):
    names = [name for name in _CHAT if given.get(name) is not None]
    if names:
        raise _error(
            names[0],
            f"A base model has no {names[0]}: it continues text. Received: "
            f"{names[0]}={echoed(given[names[0]]):.80}. Write all of it into "
            "prompt.",
        )


# === Options one by one ===


def _sampling_check(name, settings):
    def check(value):
        checked = check_option(name, value, None, settings)
        return tuple(checked) if name == "stop" else checked

    return check


def _check_model(value, settings):
    if value != settings.name:
        raise _error(
            "model",
            f"The model must be {settings.name}. Received: "
            f"model={echoed(value):.80}. See /v1/models, or leave it out.",
            404,
            "model_not_found",
        )
    return value


def _check_max_tokens(value, settings):
    check_integer("max_tokens", value, minimum=0)
    limit = settings.max_new_tokens
    if limit is not None and value > limit:
        raise ValueError(
            f"max_tokens must be at most {limit} on this server. Received: "
            f"max_tokens={value}. Request fewer, or start it with a higher "
            "--max-new-tokens."
        )
    return value


def _check_prompt(value):
    """A list of texts and of lists of ids."""
    if isinstance(value, str) or _is_ids(value):
        value = [value]
    is_list = isinstance(value, list) and value
    if not is_list or not (
        all(isinstance(one, str) for one in value) or all(map(_is_ids, value))
    ):
        raise ValueError(
            "prompt must be a text, a list of texts, a list of token ids or a "
            f"list of such lists, none empty. Received: prompt={echoed(value)}."
            " Put one in."
        )
    for text in value:
        if isinstance(text, str):
            check_text(text)
    return value


def _is_ids(value):
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(i, int) and not isinstance(i, bool) for i in value)
    )


def _integer_check(name, least, most):
    def check(value):
        check_integer(name, value, minimum=least)
        if value > most:
            raise ValueError(
                f"{name} must be at most {most}. Received: "
                f"{name}={echoed(value)}. Pass {most} or less."
            )
        return value

    return check


def _type_check(name, kind, noun):
    def check(value):
        if not isinstance(value, kind):
            raise ValueError(
                f"{name} must be {noun}. Received: {name}={echoed(value)}. "
                "Check its type."
            )
        return value

    return check


_ID = re.compile("[0-9]{1,18}")


def _check_bias(value):
    """Pairs of an id and a number, of an object whose keys are ids."""
    if not isinstance(value, dict):
        raise ValueError(
            "logit_bias must be an object of token ids and numbers. Received: "
            f'logit_bias={echoed(value)}. Pass {{"50256": -100}}, say.'
        )
    if len(value) > _MOST_BIASES:
        raise ValueError(
            f"logit_bias must have at most {_MOST_BIASES} entries. Received: "
            f"entries={len(value)}. Leave some out."
        )
    ids = {
        int(key) if _ID.fullmatch(key) else key: bias
        for key, bias in value.items()
    }
    for bias in ids.values():
        # Not a number, as JSON in Python has it, is out of any range.
        if isinstance(bias, (int, float)) and not abs(bias) <= _MOST_BIAS:
            raise ValueError(
                "The biases of logit_bias must be from -100 to 100. Received: "
                f"bias={echoed(bias)}. -100 rules a token out."
            )
    return tuple(check_logit_bias(ids).items())


def _check_stream_options(value):
    known = {"include_usage"}
    if (
        not isinstance(value, dict)
        or set(value) - known
        or not all(isinstance(x, bool) for x in value.values())
    ):
        raise ValueError(
            "stream_options must be an object with include_usage, true or "
            f"false. Received: stream_options={echoed(value)}. Leave out the "
            "rest."
        )
    return value


def _refuse_suffix(value):
    raise ValueError(
        "suffix must be null: the model continues texts and fills no gaps. "
        f"Received: suffix={echoed(value):.80}. Leave it out."
    )


_BOOL = (bool, "true or false")
_CHECKS = {
    "best_of": _integer_check("best_of", 1, _MOST_CHOICES),
    "echo": _type_check("echo", *_BOOL),
    "logit_bias": _check_bias,
    "logprobs": _integer_check("logprobs", 0, _MOST_TOP),
    "n": _integer_check("n", 1, _MOST_CHOICES),
    "stream": _type_check("stream", *_BOOL),
    "stream_options": _check_stream_options,
    "suffix": _refuse_suffix,
    # A name for abuse reports, of which this server makes none.
    "user": _type_check("user", str, "a string"),
}
_DEFAULTS = {
    "echo": False,
    "logit_bias": (),
    "logprobs": -1,
    "max_tokens": _MAX_TOKENS,
    "n": 1,
    "stream": False,
    "stream_options": {},
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "seed": -1,
    "stop": (),
}
