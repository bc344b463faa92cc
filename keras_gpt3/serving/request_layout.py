"""Rows and columns: the two forms of a `:predict` request's inputs."""

from keras_gpt3.serving.json_body import check_keys
from keras_gpt3.serving.json_tensors import is_bytes_object


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
        return _named(request["inputs"], name, signature)
    rows = rows_of_instances(request["instances"], name, signature)
    keys = set().union(*rows)
    for key in sorted(keys):
        if any(key not in row for row in rows):
            raise ValueError(
                f"All rows of {name} must have the same inputs. Received: "
                f"a row without {key}. Add it."
            )
    return {key: [row[key] for row in rows] for key in keys}


def _named(inputs, name, signature):
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
    inputs = _named(inputs, name, signature)
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
