"""How much a request may ask for: tokens, bytes, values of its answer."""

import math

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.generation.prompt_messages import STOP_STRINGS
from keras_gpt3.generation.prompt_messages import TRUNCATE
from keras_gpt3.generation.prompt_messages import too_long_message
from keras_gpt3.generation.sampling_settings import SETTING_RANGES
from keras_gpt3.generation.sampling_settings import check_sampling_number
from keras_gpt3.generation.sampling_settings import check_seed
from keras_gpt3.generation.sampling_settings import setting_message
from keras_gpt3.generation.stop_strings import check_stop_strings
from keras_gpt3.serving.json_body import is_bytes_object
from keras_gpt3.serving.json_body import leaf_from_json
from keras_gpt3.tokenization.tokenizer_inputs import truncate_left


def new_tokens(arrays):
    """The most new tokens that inputs on token ids request.

    For `generate_tokens` the positions after a prompt; `extend` has two
    scalars.
    """
    if "padding_mask" in arrays:
        return int((~arrays["padding_mask"]).sum(axis=-1).max(initial=0))
    return int(arrays.get("end", 0)) - int(arrays.get("index", 0))


def check_new_tokens(new, limit):
    """Raise if more new tokens are requested than the server allows."""
    if limit is not None and new > limit:
        raise ValueError(
            f"max_new_tokens must be at most {limit} on this server. Received: "
            f"max_new_tokens={new}. Request fewer, or start it with a higher "
            "--max-new-tokens."
        )


def least_values(signature, arrays, num_rows):
    """The minimum number of values in an answer, by its outputs' shapes.

    An unknown first axis is the rows, the next the length of a row, a third the
    alternatives at each place. An array of logits may exceed the memory, so it
    is counted before it is computed. A banded cache may be as short as one
    position: hence a minimum.
    """
    length = arrays["token_ids"].shape[-1] if "token_ids" in arrays else 1
    if "cache_length" in arrays:
        length = max(1, int(arrays["cache_length"]))
    number, total = max(0, int(arrays.get("number", 0))), 0
    for name, spec in signature.outputs.items():
        unknown = [num_rows, 1 if name.startswith("banded") else length, number]
        shape = [unknown.pop(0) if n is None else n for n in spec.shape]
        total += math.prod(shape)
    return total


def check_values(num_values, most):
    """Raise if an answer has more values than it may."""
    if num_values > most:
        raise ValueError(
            f"An answer must have at most {most} values. Received: "
            f"values={num_values}. Send fewer or shorter rows, or start the "
            "server with a higher --max-answer-values."
        )


def longest_row(model, arrays):
    """Count the tokens of rows of `score`, and reject what is too long."""
    texts = [arrays["contexts"], arrays["continuations"]]
    for column in texts:
        check_bytes(model, column)
    lengths = [map(len, encoded(model, column)) for column in texts]
    starts = num_start_tokens(model)
    return starts + max(map(sum, zip(*lengths, strict=True)))


def prompt_rows(model, arrays):
    """The token ids of prompts, cut where asked to, as `generate` has them."""
    check_bytes(model, arrays["prompts"])
    rows = encoded(model, arrays["prompts"], as_prompts=True)
    starts, prompts = num_start_tokens(model), []
    options = (arrays["max_new_tokens"].tolist(), arrays["truncate"].tolist())
    for ids, new, truncate in zip(rows, *options, strict=True):
        if not ids:
            raise ValueError("0".join(EMPTY_PROMPT))
        if truncate == b"left":
            # The first tokens are dropped, and at least the last one stays.
            ids = truncate_left(ids, max(1, model.context - new), starts)
        total = len(ids) + new
        if total > model.context:
            raise ValueError(f"{total}".join(too_long_message(model.context)))
        prompts.append(ids)
    return prompts


def check_bytes(model, texts):
    """Reject texts longer than any context before they are tokenized."""
    longest = max(map(len, texts), default=0)
    if longest > model.max_text_bytes:
        raise ValueError(
            f"A text must have at most {model.max_text_bytes} bytes, a context "
            f"of the longest tokens. Received: bytes={longest}. Shorten it."
        )


def encoded(model, texts, as_prompts=False):
    """The token ids of texts; of prompts with what stands before each."""
    answer = model.call("tokenize", {"texts": texts})
    rows = zip(answer["token_ids"], answer["lengths"], strict=True)
    rows = [ids[:length].tolist() for ids, length in rows]
    if as_prompts and num_start_tokens(model):
        starts = answer["start_token_ids"].tolist()
        rows = [a + b for a, b in zip(starts, rows, strict=True)]
    return rows


def num_start_tokens(model):
    """The number of tokens that some models have before each prompt."""
    outputs = model.signatures["tokenize"].outputs
    return int("start_token_ids" in outputs)


_INT32 = np.iinfo("int32").max
_FLOAT32 = float(np.finfo("float32").max)


def default_option(name, array, settings):
    """Return the value of an option that is left out."""
    values = array.ravel().tolist()
    if name == "stop":
        return [text for text in values if text]
    # A default above the server's limit is lowered to it.
    if name == "max_new_tokens" and settings.max_new_tokens:
        return min(values[0], settings.max_new_tokens)
    return values[0]


def check_option(name, value, dtype, settings):
    """Check a row's option, with the words of Python and the graph."""
    if name == "max_new_tokens":
        check_integer(name, value, minimum=1)
        check_new_tokens(value, settings.max_new_tokens)
        return min(value, _INT32)
    if name == "top_k":
        check_integer(name, value, minimum=0)
        return min(value, _INT32)
    if name == "seed":
        # The exported graph draws one anew.
        return -1 if value == -1 else check_seed(value)
    if name == "stop":
        return _stop(value, settings)
    if name == "truncate":
        if value not in ("", "left"):
            raise ValueError(f"{TRUNCATE[0]}{value}{TRUNCATE[1]}")
        return value.encode()
    if name in SETTING_RANGES:
        return _number(name, value)
    return leaf_from_json(name, value, dtype)


def _number(name, value):
    is_number = isinstance(value, (int, float))
    if is_number and abs(value) > _FLOAT32:
        before, after = setting_message(name)
        # As the graph prints what it rounds to.
        raise ValueError(f"{before}{'inf' if value > 0 else '-inf'}{after}")
    return check_sampling_number(name, value)


def _stop(value, settings):
    is_list = isinstance(value, list)
    strings = list(value) if is_list else [value]
    for index, string in enumerate(strings):
        if isinstance(string, str) or is_bytes_object(string):
            text = leaf_from_json("stop", string, np.dtype(object))
            try:
                strings[index] = text.decode()
            except UnicodeDecodeError:
                raise ValueError(f"{text!r}".join(STOP_STRINGS)) from None
    stop = check_stop_strings(strings if is_list else strings[0])
    stop = [string.encode() for string in stop]
    if len(stop) > settings.max_stop_strings:
        raise ValueError(
            f"stop must have at most {settings.max_stop_strings} strings on "
            f"this server. Received: strings={len(stop)}. Leave some out, or "
            "start it with a higher --max-stop-strings."
        )
    longest = max(map(len, stop), default=0)
    if longest > settings.max_stop_bytes:
        raise ValueError(
            f"A stop string must have at most {settings.max_stop_bytes} bytes "
            f"on this server. Received: bytes={longest}. Shorten it, or start "
            "the server with a higher --max-stop-bytes."
        )
    return stop


def padded_stops(stops):
    """Stop strings of rows, padded with empty ones, which mean none."""
    most = max(map(len, stops))
    array = np.full((len(stops), most), b"", object)
    for row, strings in zip(array, stops, strict=True):
        row[: len(strings)] = strings
    return array
