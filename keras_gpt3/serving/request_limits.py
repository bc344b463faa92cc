"""What a request may ask for, and its rows of text."""

import math

import numpy as np

from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.generation.prompt_messages import MAX_NEW_TOKENS
from keras_gpt3.generation.prompt_messages import STOP_STRINGS
from keras_gpt3.generation.prompt_messages import TOP_K
from keras_gpt3.generation.prompt_messages import TRUNCATE
from keras_gpt3.generation.prompt_messages import too_long_message
from keras_gpt3.generation.sampling_settings import check_sampling_number
from keras_gpt3.generation.sampling_settings import check_seed
from keras_gpt3.generation.sampling_settings import setting_message
from keras_gpt3.generation.stop_strings import check_stop_strings
from keras_gpt3.serving.json_tensors import is_bytes_object
from keras_gpt3.serving.json_tensors import leaf_from_json

_INT32 = np.iinfo("int32").max


def check_rows(num_rows, settings):
    """Raises if a request has more rows than a batch."""
    if num_rows > settings.max_batch_size:
        raise ValueError(
            f"A request must have at most {settings.max_batch_size} rows. "
            f"Received: rows={num_rows}. Split it, or start the server with a "
            "higher --max-batch-size."
        )


def check_stop(stop, settings):
    """Raises if there are too many stop strings, or too long ones."""
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


def check_new_tokens(new, limit):
    """Raises if more new tokens are asked for than the server gives."""
    if limit is not None and new > limit:
        raise ValueError(
            f"max_new_tokens must be at most {limit} on this server. Received: "
            f"max_new_tokens={new}. Ask for fewer, or start it with a higher "
            "--max-new-tokens."
        )


def new_tokens(arrays):
    """The new tokens that inputs on token ids ask for, at most.

    Those of `generate_tokens` are the places behind a prompt, those of
    `extend` are counted by two scalars.
    """
    new = 0
    if "padding_mask" in arrays and arrays["padding_mask"].ndim:
        new = (~arrays["padding_mask"]).sum(axis=-1).max(initial=0)
    if "index" in arrays and "end" in arrays:
        index = arrays["index"].min(initial=_INT32)
        new = int(arrays["end"].max(initial=0)) - int(index)
    return int(new)


def least_values(signature, arrays, num_rows):
    """The values that an answer has at least, by the shapes of its outputs.

    A first axis that is unknown is the rows, a later one the length of a row:
    an array of logits is larger than the memory before it could be counted.
    A banded cache may be as short as one position, hence at least.
    """
    length = 1
    if arrays.get("token_ids", np.empty(())).ndim:
        length = arrays["token_ids"].shape[-1]
    if "cache_length" in arrays:
        length = max(1, int(arrays["cache_length"].max(initial=1)))
    total = 0
    for name, spec in signature.outputs.items():
        unknown = [num_rows, 1 if name.startswith("banded") else length]
        shape = [unknown.pop(0) if n is None else n for n in spec.shape]
        total += math.prod(shape)
    return total


def check_values(num_values, most):
    """Raises if an answer has more values than it may."""
    if num_values > most:
        raise ValueError(
            f"An answer must have at most {most} values. Received: "
            f"values={num_values}. Send fewer or shorter rows, or start the "
            "server with a higher --max-answer-values."
        )


TEXT_SIGNATURES = ("generate", "score")
_TEXTS = ("prompts", "contexts", "continuations")
_FLOAT32 = float(np.finfo("float32").max)


def check_value(name, value, dtype, max_new_tokens=None):
    """Checks an input of one row, with the words of Python and the graph."""
    if name == "max_new_tokens":
        return _new_tokens(value, max_new_tokens)
    if name in ("temperature", "top_p"):
        return _number(name, value)
    if name == "top_k":
        return min(_integer(value, 0, TOP_K), _INT32)
    if name == "seed":
        # The exported graph draws one anew.
        return -1 if value == -1 else check_seed(value)
    if name == "stop":
        return _stop(value)
    if name == "truncate":
        if value not in ("", "left"):
            raise ValueError(f"{TRUNCATE[0]}{value}{TRUNCATE[1]}")
        return value.encode()
    return leaf_from_json(name, value, dtype)


def check_lengths(model, name, rows):
    """Counts the tokens of rows, and refuses what the graph would refuse."""
    for row in rows:
        check_bytes(model, [row[key] for key in _TEXTS if key in row])
    if name == "score":
        lengths = _lengths(model, [row["contexts"] for row in rows], True)
        lengths += _lengths(model, [row["continuations"] for row in rows])
        return int(max(lengths))
    lengths = _lengths(model, [row["prompts"] for row in rows], True).tolist()
    longest = 0
    for length, row in zip(lengths, rows, strict=True):
        if length == 0:
            raise ValueError(f"{EMPTY_PROMPT[0]}0{EMPTY_PROMPT[1]}")
        new = row["max_new_tokens"]
        if row.get("truncate"):
            # The first tokens go, the last one stays at least.
            length = max(1, min(length, model.context - new))
        if length + new > model.context:
            before, after = too_long_message(model.context)
            raise ValueError(f"{before}{length + new}{after}")
        longest = max(longest, length + new)
    return longest


def check_bytes(model, texts):
    """Refuses texts that no context holds, before they are tokenized."""
    longest = max(map(len, texts), default=0)
    if longest > model.max_text_bytes:
        raise ValueError(
            f"A text must have at most {model.max_text_bytes} bytes, a context "
            f"of the longest tokens. Received: bytes={longest}. Shorten it."
        )


def arrays_from_rows(signature, rows):
    """Puts rows together, each with its own options."""
    arrays = {}
    for name, spec in signature.inputs.items():
        values = [row[name] for row in rows]
        if name == "stop":
            arrays[name] = _padded(values)
        else:
            arrays[name] = np.array(values, spec.dtype.as_numpy_dtype)
    return arrays


def _lengths(model, texts, are_starts=False):
    """Tokens of texts, with the start token that some models put before."""
    answer = model.call("tokenize", {"texts": np.array(texts, object)})
    if are_starts and "start_token_ids" in answer:
        return answer["lengths"] + answer["start_token_ids"].shape[1]
    return answer["lengths"]


def _padded(stops):
    """Stop strings of rows, filled up with what means none."""
    most = max(map(len, stops))
    if most == 0:
        return np.empty(0, object)
    array = np.full((len(stops), most), b"", object)
    for row, strings in zip(array, stops, strict=True):
        row[: len(strings)] = strings
    return array


def _integer(value, minimum, message):
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or value < minimum:
        raise ValueError(f"{message[0]}{value!r:.50}{message[1]}")
    return value


def _new_tokens(value, limit):
    value = _integer(value, 1, MAX_NEW_TOKENS)
    check_new_tokens(value, limit)
    return value


def _number(name, value):
    is_number = isinstance(value, (int, float))
    if is_number and abs(value) > _FLOAT32:
        before, after = setting_message(name)
        # As the graph prints what it rounds to.
        raise ValueError(f"{before}{'inf' if value > 0 else '-inf'}{after}")
    return check_sampling_number(name, value)


def _stop(value):
    is_list = isinstance(value, (list, tuple))
    strings = list(value) if is_list else [value]
    dtype = np.dtype(object)
    for index, string in enumerate(strings):
        if isinstance(string, str) or is_bytes_object(string):
            text = leaf_from_json("stop", string, dtype)
            strings[index] = _decoded(text)
    check_stop_strings(strings if is_list else strings[0])
    return tuple(string.encode() for string in strings if string is not None)


def _decoded(text):
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ValueError(
            f"{STOP_STRINGS[0]}{text!r}{STOP_STRINGS[1]}"
        ) from None
