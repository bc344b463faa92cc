"""Requests: from JSON to checked arrays, as the signature says; and back.

What a request may hold (names, dtypes, shapes, defaults, options of a row) is
read from the signature, and what is wrong is rejected before anything runs.
"""

import dataclasses

import numpy as np

from keras_gpt3.serving.json_body import array_from_json
from keras_gpt3.serving.json_body import check_keys
from keras_gpt3.serving.json_body import is_bytes_object
from keras_gpt3.serving.json_body import json_from_array
from keras_gpt3.serving.json_body import parse_body
from keras_gpt3.serving.request_limits import check_new_tokens
from keras_gpt3.serving.request_limits import check_option
from keras_gpt3.serving.request_limits import check_values
from keras_gpt3.serving.request_limits import default_option
from keras_gpt3.serving.request_limits import least_values
from keras_gpt3.serving.request_limits import new_tokens
from keras_gpt3.serving.request_limits import padded_stops

_DEFAULT = "serving_default"
_KEYS = ("signature_name", "instances", "inputs")
# Signatures with a state, which the server's own engine keeps.
_OF_THE_ENGINE = {
    "resize_slots",
    "fill_slot",
    "read_into_slot",
    "step_slots",
    "verify_slots",
}
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
        check_values(sum(a.size for a in outputs.values()), max_values)
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
        columns = _named(
            f"inputs of {name}", request["inputs"], name, signature
        )
    arrays, num_rows = request_arrays(signature, columns, settings, is_row_form)
    check_new_tokens(new_tokens(arrays), settings.max_new_tokens)
    num_values = least_values(signature, arrays, num_rows)
    check_values(num_values, settings.max_answer_values)
    return PredictRequest(name, is_row_form, num_rows, arrays, num_values)


def parse_stream(body, model, settings):
    """Read and check a request for a stream: one row of `generate`."""
    # Where it is, there are slots: the export would not be loaded without.
    if "generate" not in model.signatures:
        raise ValueError(
            "A stream must have the signature generate of an export with a "
            "preprocessor. Received: no generate. Attach one and export again."
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
    names = sorted(set(model.signatures) - _OF_THE_ENGINE)
    if not isinstance(name, str) or name not in names:
        raise ValueError(
            f"signature_name must be among {', '.join(names)}. Received: "
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
            default_option(name, default, settings)
            if value is _LEFT_OUT
            else check_option(name, value, dtype, settings)
            for value in _by_row(name, value, num_rows, is_row_form)
        ]
        arrays[name] = (
            padded_stops(values) if name == "stop" else np.array(values, dtype)
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
