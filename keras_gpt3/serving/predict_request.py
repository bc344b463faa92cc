"""A `:predict` request of TensorFlow Serving's REST form, and its answer."""

import dataclasses

import numpy as np

from keras_gpt3.serving.json_body import parse_body
from keras_gpt3.serving.json_tensors import array_from_json
from keras_gpt3.serving.json_tensors import json_from_array
from keras_gpt3.serving.request_layout import columns_of_request
from keras_gpt3.serving.request_layout import rows_of_columns
from keras_gpt3.serving.request_layout import rows_of_instances
from keras_gpt3.serving.request_limits import check_new_tokens
from keras_gpt3.serving.request_limits import check_rows
from keras_gpt3.serving.request_limits import check_stop
from keras_gpt3.serving.request_limits import check_values
from keras_gpt3.serving.request_limits import least_values
from keras_gpt3.serving.request_limits import new_tokens
from keras_gpt3.serving.text_rows import TEXT_SIGNATURES
from keras_gpt3.serving.text_rows import check_value

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
