"""Requests: from JSON to checked arrays, as the signature says; and back.

What a request may hold (names, dtypes, shapes, defaults, options of a row) is
read from the signature. Options are rejected with the words of Python and of
the graph, before anything runs.
"""

import dataclasses
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
from keras_gpt3.serving.json_body import array_from_json
from keras_gpt3.serving.json_body import check_keys
from keras_gpt3.serving.json_body import is_bytes_object
from keras_gpt3.serving.json_body import json_from_array
from keras_gpt3.serving.json_body import leaf_from_json
from keras_gpt3.serving.json_body import parse_body

_DEFAULT = "serving_default"
_KEYS = ("signature_name", "instances", "inputs")
_STREAM_NEEDS = ("generate", "tokenize", "detokenize", "prefill", "extend")
_INT32 = np.iinfo("int32").max
_FLOAT32 = float(np.finfo("float32").max)
# Stands for an option that a row does not name and others do.
_LEFT_OUT = object()


@dataclasses.dataclass(frozen=True)
class PredictRequest:
    """What is asked of a signature."""

    signature_name: str
    is_row_form: bool
    num_rows: int
    arrays: dict | None = None
    num_values: int = 0

    def answer(self, outputs, max_values):
        """Write outputs in the form of the request."""
        _check_values(sum(a.size for a in outputs.values()), max_values)
        values = {n: json_from_array(n, a) for n, a in outputs.items()}
        if not self.is_row_form:
            only = next(iter(values.values()))
            return {"outputs": only if len(values) == 1 else values}
        for name, array in outputs.items():
            if array.shape[:1] != (self.num_rows,):
                raise ValueError(
                    "The row form must give one value a row of each output. "
                    f"Received: {name}.shape={array.shape}. Send inputs in "
                    "place of instances."
                )
        rows = zip(*values.values(), strict=True)
        if len(values) == 1:
            return {"predictions": [value for (value,) in rows]}
        return {
            "predictions": [dict(zip(values, r, strict=True)) for r in rows]
        }


def parse_predict(body, model, settings):
    """Read and check a request."""
    request = parse_body(body, _KEYS)
    name = _signature_name(request.get("signature_name", ""), model)
    signature = model.signatures[name]
    is_row_form = "instances" in request
    if is_row_form == ("inputs" in request):
        raise ValueError(
            "The body must have one of instances and inputs. Received: "
            f"{'both' if is_row_form else 'neither'}. Put rows under instances,"
            " columns under inputs."
        )
    if is_row_form:
        columns = _columns_of_rows(request["instances"], name, signature)
    else:
        columns = _named_inputs(request["inputs"], name, signature)
    arrays, num_rows = request_arrays(signature, columns, settings, is_row_form)
    _check_new_tokens(new_tokens(arrays), settings.max_new_tokens)
    num_values = least_values(signature, arrays, num_rows)
    _check_values(num_values, settings.max_answer_values)
    return PredictRequest(name, is_row_form, num_rows, arrays, num_values)


def parse_stream(body, model, settings):
    """Read and check a request for a stream: one row of `generate`."""
    missing = set(_STREAM_NEEDS) - set(model.signatures)
    if missing:
        raise ValueError(
            "A stream must have the signatures of an export with a "
            f"preprocessor. Received: none of {', '.join(sorted(missing))}."
            " Attach one and export again."
        )
    signature = model.signatures["generate"]
    row = parse_body(body, ("prompt", *sorted(signature.defaults)))
    if "prompt" not in row:
        raise ValueError(
            "A stream must have a prompt. Received: no prompt. Add one."
        )
    row["prompts"] = row.pop("prompt")
    columns = {name: [value] for name, value in row.items()}
    return request_arrays(signature, columns, settings, is_row_form=True)[0]


def _signature_name(name, model):
    """The signature that a request means."""
    if name in ("", _DEFAULT) and "generate" in model.signatures:
        return "generate"
    name = name or _DEFAULT
    if not isinstance(name, str) or name not in model.signatures:
        raise ValueError(
            "signature_name must be among "
            f"{', '.join(sorted(model.signatures))}. Received: "
            f"signature_name={name!a:.50}. See the metadata."
        )
    return name


# === From rows or columns to arrays ===


def _columns_of_rows(instances, name, signature):
    """The columns of the row form; an option may be left out of some rows."""
    if not isinstance(instances, list) or not instances:
        raise ValueError(
            "instances must be a list of at least one row. Received: "
            f"{_kind(instances)}. Pass one object for each row."
        )
    rows = [
        _named(f"A row of {name}", value, name, signature)
        for value in instances
    ]
    return {
        key: [row.get(key, _LEFT_OUT) for row in rows]
        for key in set().union(*rows)
    }


def _named_inputs(inputs, name, signature):
    """The columns of the columnar form."""
    return _named(f"inputs of {name}", inputs, name, signature)


def _named(what, values, name, signature):
    """Values by input; the only required one need not be named."""
    required = signature.required
    if not isinstance(values, dict) or is_bytes_object(values):
        if len(required) != 1:
            raise ValueError(
                f"{what} must be an object with {', '.join(required)}. "
                f"Received: {_kind(values)}. Name each input."
            )
        values = {required[0]: values}
    check_keys(f"Inputs of {name}", values, sorted(signature.inputs))
    missing = [key for key in required if key not in values]
    if missing:
        raise ValueError(
            f"{name} must have {', '.join(required)}. Received: no "
            f"{', '.join(missing)}. Add what is missing."
        )
    return values


def request_arrays(signature, columns, settings, is_row_form=False):
    """Turn values by input into the arrays of a signature, and their rows."""
    arrays, num_rows = {}, 1
    for name in signature.required:
        spec, value = signature.inputs[name], columns[name]
        if signature.batches_rows and arrays:
            value = _by_row(name, value, num_rows, is_row_form)
        elif signature.batches_rows and not (isinstance(value, list) and value):
            raise ValueError(
                f"{name} must be a list of at least one string. Received: "
                f"{_kind(value)}. Pass one string for each row."
            )
        arrays[name] = array_from_json(name, value, _numpy_dtype(spec))
        _check_shape(name, arrays[name], spec)
        # The first axis of a cache is its layers.
        if spec.shape.rank and spec.shape[0] is None:
            num_rows = max(num_rows, len(arrays[name]))
    if num_rows > settings.max_batch_size:
        raise ValueError(
            f"A request must have at most {settings.max_batch_size} rows. "
            f"Received: rows={num_rows}. Split it, or start the server with a "
            "higher --max-batch-size."
        )
    for name, default in signature.defaults.items():
        dtype = _numpy_dtype(signature.inputs[name])
        value = columns.get(name, _LEFT_OUT)
        values = [
            _default(name, default, settings)
            if value is _LEFT_OUT
            else _check_option(name, value, dtype, settings)
            for value in _by_row(name, value, num_rows, is_row_form)
        ]
        arrays[name] = (
            _padded(values) if name == "stop" else np.array(values, dtype)
        )
    return arrays, num_rows


def _by_row(name, value, num_rows, is_row_form):
    """One value for each row, of one for all or of a list."""
    is_list = isinstance(value, list)
    if name == "stop" and not is_row_form:
        # A list of strings is for all rows.
        is_list = is_list and any(isinstance(part, list) for part in value)
    if not is_list:
        return [value] * num_rows
    if len(value) != num_rows:
        raise ValueError(
            f"{name} must be one value, or one for each of the {num_rows} rows."
            f" Received: {len(value)} values. Pass as many as there are rows."
        )
    if name != "stop":
        return value
    # TensorFlow Serving needs the stop strings of rows padded.
    return [
        [s for s in part if s != ""] if isinstance(part, list) else part
        for part in value
    ]


def join_arrays(requests):
    """Concatenate the arrays of several requests, row after row."""
    joined = {}
    for name in requests[0]:
        columns = [arrays[name] for arrays in requests]
        if name == "stop":
            joined[name] = _padded([row for rows in columns for row in rows])
        else:
            joined[name] = np.concatenate(columns)
    return joined


def _padded(stops):
    """Stop strings of rows, padded with empty ones, which mean none."""
    most = max(map(len, stops))
    array = np.full((len(stops), most), b"", object)
    for row, strings in zip(array, stops, strict=True):
        row[: len(strings)] = strings
    return array


def _numpy_dtype(spec):
    return np.dtype(spec.dtype.as_numpy_dtype)


def _check_shape(name, array, spec):
    if not spec.shape.is_compatible_with(array.shape):
        raise ValueError(
            f"{name} must have the shape {spec.shape}. Received: "
            f"{name}.shape={array.shape}. Change its number of dimensions."
        )


def _kind(value):
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return type(value).__name__


# === Options ===


def _default(name, array, settings):
    """The value of an option that is left out."""
    values = array.ravel().tolist()
    if name == "stop":
        return [text for text in values if text]
    # A default above the server's limit is lowered to it.
    if name == "max_new_tokens" and settings.max_new_tokens:
        return min(values[0], settings.max_new_tokens)
    return values[0]


def _check_option(name, value, dtype, settings):
    """Check a row's option, with the words of Python and the graph."""
    if name == "max_new_tokens":
        check_integer(name, value, minimum=1)
        _check_new_tokens(value, settings.max_new_tokens)
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


# === Limits ===


def new_tokens(arrays):
    """The most new tokens that inputs on token ids request.

    For `generate_tokens` the positions after a prompt; `extend` has two
    scalars.
    """
    if "padding_mask" in arrays:
        return int((~arrays["padding_mask"]).sum(axis=-1).max(initial=0))
    return int(arrays.get("end", 0)) - int(arrays.get("index", 0))


def _check_new_tokens(new, limit):
    """Raise if more new tokens are requested than the server allows."""
    if limit is not None and new > limit:
        raise ValueError(
            f"max_new_tokens must be at most {limit} on this server. Received: "
            f"max_new_tokens={new}. Request fewer, or start it with a higher "
            "--max-new-tokens."
        )


def least_values(signature, arrays, num_rows):
    """The minimum number of values in an answer, by its outputs' shapes.

    An unknown first axis is the rows, a later one the length of a row. An array
    of logits may exceed the memory, so it is counted before it is computed. A
    banded cache may be as short as one position: hence a minimum.
    """
    length = arrays["token_ids"].shape[-1] if "token_ids" in arrays else 1
    if "cache_length" in arrays:
        length = max(1, int(arrays["cache_length"]))
    total = 0
    for name, spec in signature.outputs.items():
        unknown = [num_rows, 1 if name.startswith("banded") else length]
        shape = [unknown.pop(0) if n is None else n for n in spec.shape]
        total += math.prod(shape)
    return total


def _check_values(num_values, most):
    """Raise if an answer has more values than it may."""
    if num_values > most:
        raise ValueError(
            f"An answer must have at most {most} values. Received: "
            f"values={num_values}. Send fewer or shorter rows, or start the "
            "server with a higher --max-answer-values."
        )


def longest_row(model, name, arrays):
    """Count the tokens of rows, and reject what the graph would reject."""
    texts = [arrays[key] for key in model.signatures[name].required]
    for column in texts:
        check_bytes(model, column)
    lengths = _token_counts(model, texts[0], are_starts=True)
    if name == "score":
        return int(max(lengths + _token_counts(model, texts[1])))
    if not lengths.all():
        raise ValueError("0".join(EMPTY_PROMPT))
    new = arrays["max_new_tokens"].astype("int64")
    # The first tokens are dropped, and at least the last one stays.
    room = np.maximum(1, model.context - new)
    is_cut = (arrays["truncate"] == b"left") & (lengths > room)
    totals = np.where(is_cut, room, lengths) + new
    if totals.max() > model.context:
        total = totals[totals > model.context][0]
        raise ValueError(f"{total}".join(too_long_message(model.context)))
    return int(totals.max())


def check_bytes(model, texts):
    """Reject texts longer than any context before they are tokenized."""
    longest = max(map(len, texts), default=0)
    if longest > model.max_text_bytes:
        raise ValueError(
            f"A text must have at most {model.max_text_bytes} bytes, a context "
            f"of the longest tokens. Received: bytes={longest}. Shorten it."
        )


def _token_counts(model, texts, are_starts=False):
    """Tokens of texts, including the start token that some models prepend."""
    answer = model.call("tokenize", {"texts": texts})
    if are_starts and "start_token_ids" in answer:
        return answer["lengths"] + answer["start_token_ids"].shape[1]
    return answer["lengths"]
