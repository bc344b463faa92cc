"""A `:predict` request of TensorFlow Serving's REST form, and its answer."""

import dataclasses

import numpy as np

from keras_gpt3.serving.json_body import check_keys
from keras_gpt3.serving.json_body import parse_body
from keras_gpt3.serving.json_tensors import array_from_json
from keras_gpt3.serving.json_tensors import is_bytes_object
from keras_gpt3.serving.json_tensors import json_from_array
from keras_gpt3.serving.request_limits import TEXT_SIGNATURES
from keras_gpt3.serving.request_limits import check_new_tokens
from keras_gpt3.serving.request_limits import check_rows
from keras_gpt3.serving.request_limits import check_stop
from keras_gpt3.serving.request_limits import check_value
from keras_gpt3.serving.request_limits import check_values
from keras_gpt3.serving.request_limits import least_values
from keras_gpt3.serving.request_limits import new_tokens

_DEFAULT = "serving_default"
_KEYS = ("signature_name", "instances", "inputs")


@dataclasses.dataclass(frozen=True)
class PredictRequest:
    """What is asked of a signature."""

    signature_name: str
    is_row_form: bool
    num_rows: int
    rows: list | None = None
    arrays: dict | None = None
    num_values: int = 0

    def answer(self, outputs, max_values):
        """Writes outputs in the form of the request."""
        check_values(sum(a.size for a in outputs.values()), max_values)
        values = {n: json_from_array(n, a) for n, a in outputs.items()}
        if not self.is_row_form:
            only = next(iter(values.values()))
            return {"outputs": only if len(values) == 1 else values}
        for name, array in outputs.items():
            if array.shape[:1] != (self.num_rows,):
                raise ValueError(
                    "The row form needs one value a row of each output. "
                    f"Received: {name}.shape={array.shape}. Send inputs in "
                    "place of instances."
                )
        rows = zip(*values.values(), strict=True)
        if len(values) == 1:
            return {"predictions": [value for (value,) in rows]}
        return {"predictions": [_named(values, row) for row in rows]}


def parse_predict(body, model, settings):
    """Reads and checks a request."""
    request = parse_body(body, _KEYS)
    name = signature_name(request.get("signature_name", ""), model)
    signature = model.signatures[name]
    is_row_form = "instances" in request
    if is_row_form == ("inputs" in request):
        raise ValueError(
            "The body must have one of instances and inputs. Received: "
            f"{'both' if is_row_form else 'neither'}. Put rows under instances,"
            " columns under inputs."
        )
    if takes_rows(name, signature):
        values = (
            rows_of_instances(request["instances"], name, signature)
            if is_row_form
            else rows_of_columns(request["inputs"], name, signature)
        )
        check_rows(len(values), settings)
        rows = [check_row(signature, row, settings) for row in values]
        return PredictRequest(name, is_row_form, len(rows), rows=rows)
    columns = columns_of_request(request, name, signature)
    arrays = {
        key: array_from_json(key, columns[key], _numpy_dtype(spec))
        if key in columns
        else signature.defaults[key]
        for key, spec in signature.inputs.items()
    }
    num_rows = _num_rows(arrays, signature)
    check_rows(num_rows, settings)
    check_new_tokens(new_tokens(arrays), settings.max_new_tokens)
    num_values = least_values(signature, arrays, num_rows)
    check_values(num_values, settings.max_answer_values)
    return PredictRequest(
        name, is_row_form, num_rows, arrays=arrays, num_values=num_values
    )


def signature_name(name, model):
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


def takes_rows(name, signature):
    """Whether rows of several requests may be run together."""
    ranks = {spec.shape.rank for spec in signature.inputs.values()}
    return name in TEXT_SIGNATURES and ranks <= {None, 1}


def check_row(signature, row, settings):
    """Checks the values of a row, and adds those left out."""
    checked = {}
    for name, spec in signature.inputs.items():
        if name in row:
            value, limit = row[name], settings.max_new_tokens
        else:
            value = _default(name, signature.defaults[name])
            # The limit takes the place of a default that is above it.
            if name == "max_new_tokens" and settings.max_new_tokens:
                value = min(value, settings.max_new_tokens)
            limit = None
        checked[name] = check_value(name, value, _numpy_dtype(spec), limit)
    check_stop(checked.get("stop", ()), settings)
    return checked


def _named(names, values):
    return dict(zip(names, values, strict=True))


def _num_rows(arrays, signature):
    """The rows of a batch: the first of an input's axes, if it may differ.

    A cache's first axis is its layers.
    """
    shapes = {name: spec.shape for name, spec in signature.inputs.items()}
    by_row = [n for n, s in shapes.items() if s.rank and s[0] is None]
    return max([1, *(len(arrays[n]) for n in by_row if arrays[n].ndim)])


def _default(name, array):
    """A default value, one for all rows, as a JSON would hold it."""
    values = array.ravel().tolist()
    if array.dtype == object:
        values = [text.decode() for text in values]
    if name == "stop":
        return [text for text in values if text]
    return values[0]


def _numpy_dtype(spec):
    return np.dtype(spec.dtype.as_numpy_dtype)


def rows_of_instances(instances, name, signature):
    """The rows of the row form, as dicts."""
    if not isinstance(instances, list) or not instances:
        raise ValueError(
            "instances must be a list of at least one row. Received: "
            f"{_kind(instances)}. Pass one object for each row."
        )
    rows = []
    for value in instances:
        if not isinstance(value, dict) or is_bytes_object(value):
            if len(signature.required) != 1:
                raise ValueError(
                    f"A row of {name} must be an object with "
                    f"{', '.join(signature.required)}. Received: "
                    f"{_kind(value)}. Name each input."
                )
            value = {signature.required[0]: value}
        _check_names(value, name, signature)
        rows.append(_without_padding(value))
    return rows


def columns_of_request(request, name, signature):
    """Values by input, whichever form they came in."""
    if "inputs" in request:
        return _named_inputs(request["inputs"], name, signature)
    rows = rows_of_instances(request["instances"], name, signature)
    keys = set().union(*rows)
    for key in sorted(keys):
        if any(key not in row for row in rows):
            raise ValueError(
                f"All rows of {name} must have the same inputs. Received: "
                f"a row without {key}. Add it."
            )
    return {key: [row[key] for row in rows] for key in keys}


def _named_inputs(inputs, name, signature):
    """The columns of the columnar form, as a dict."""
    if not isinstance(inputs, dict) or is_bytes_object(inputs):
        if len(signature.required) != 1:
            raise ValueError(
                f"inputs of {name} must be an object with "
                f"{', '.join(signature.required)}. Received: {_kind(inputs)}. "
                "Name each input."
            )
        inputs = {signature.required[0]: inputs}
    _check_names(inputs, name, signature)
    return inputs


def rows_of_columns(inputs, name, signature):
    """The rows of the columnar form, as dicts."""
    inputs = _named_inputs(inputs, name, signature)
    first = signature.required[0]
    if not isinstance(inputs[first], list) or not inputs[first]:
        raise ValueError(
            f"{first} must be a list of at least one string. Received: "
            f"{_kind(inputs[first])}. Pass one string for each row."
        )
    size = len(inputs[first])
    rows = [{} for _ in range(size)]
    for key, value in inputs.items():
        for row, own in zip(rows, _spread(key, value, size), strict=True):
            row[key] = own
    return [_without_padding(row) if _nested(inputs) else row for row in rows]


def _spread(name, value, size):
    """One value for each row, of one for all or of a list."""
    is_list = isinstance(value, list)
    for_all = not (_nested({name: value}) if name == "stop" else is_list)
    if for_all:
        return [value] * size
    if len(value) != size:
        raise ValueError(
            f"{name} must be one value, or one for each of the {size} rows. "
            f"Received: {len(value)} values. Pass as many as there are rows."
        )
    return value


def _nested(row):
    stop = row.get("stop")
    return isinstance(stop, list) and any(isinstance(s, list) for s in stop)


def _without_padding(row):
    """A row of its own stop strings; TensorFlow Serving needs them padded."""
    if isinstance(row.get("stop"), list):
        row = row | {"stop": [s for s in row["stop"] if s != ""]}
    return row


def _check_names(values, name, signature):
    check_keys(f"Inputs of {name}", values, sorted(signature.inputs))
    missing = [key for key in signature.required if key not in values]
    if missing:
        raise ValueError(
            f"{name} needs {', '.join(signature.required)}. Received: no "
            f"{', '.join(missing)}. Add what is missing."
        )


def _kind(value):
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return type(value).__name__
