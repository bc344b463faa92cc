"""The options of a row, rejected with the words of Python and of the graph."""

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.generation.prompt_messages import STOP_STRINGS
from keras_gpt3.generation.prompt_messages import TRUNCATE
from keras_gpt3.generation.sampling_settings import SETTING_RANGES
from keras_gpt3.generation.sampling_settings import check_sampling_number
from keras_gpt3.generation.sampling_settings import check_seed
from keras_gpt3.generation.sampling_settings import setting_message
from keras_gpt3.generation.stop_strings import check_stop_strings
from keras_gpt3.serving.json_body import is_bytes_object
from keras_gpt3.serving.json_body import leaf_from_json
from keras_gpt3.serving.request_limits import check_new_tokens

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
