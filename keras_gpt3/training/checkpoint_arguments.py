"""The checks of what a checkpoint shall hold (TensorFlow names the dtypes)."""

import json
import math
import numbers

import numpy as np

from keras_gpt3.echoed_value import echoed


def check_arrays(arrays):
    """Raise unless TensorFlow writes and reads back these very arrays."""
    if not isinstance(arrays, dict) or not arrays:
        raise ValueError(
            "arrays must be a dict with at least one array. Received: "
            f"arrays={echoed(arrays)}. Pass the arrays to save by name."
        )
    for name, array in arrays.items():
        if not isinstance(name, str) or not name:
            raise ValueError(
                "Every array must have a name of at least one character. "
                f"Received: name={echoed(name)}. Name it."
            )
        if not isinstance(array, np.ndarray):
            raise TypeError(
                "Every value of arrays must be a numpy array. Received: "
                f"arrays[{echoed(name)}] of type {type(array).__name__}. Pass "
                "a copy of it on the host, np.array(...)."
            )
        if not _is_storable(array.dtype):
            raise TypeError(
                "Every array must hold numbers or booleans in the machine's "
                f"byte order. Received: arrays[{echoed(name)}] of dtype "
                f"{array.dtype.str}. Convert it, or put it into facts."
            )


def _is_storable(dtype):
    import tensorflow as tf

    try:
        stored = tf.as_dtype(dtype)
    except TypeError:
        return False
    return stored != tf.string and dtype.isnative


def check_facts(facts):
    """Raise unless facts can be JSON; return a copy of them."""
    try:
        text = json.dumps(facts, allow_nan=False)
    except (TypeError, ValueError) as error:
        reason = str(error)
    else:
        reason = f"of type {type(facts).__name__}"
        if isinstance(facts, dict):
            return json.loads(text)
    raise TypeError(
        "facts must be a dict that JSON can hold. Received: "
        f"facts={echoed(facts)} ({reason}). Convert what JSON has no form for."
    )


def check_metric(metric):
    """Raise unless a metric orders checkpoints; return it as a float."""
    if metric is None:
        return None
    is_number = isinstance(metric, numbers.Real)
    if not is_number or isinstance(metric, bool) or not math.isfinite(metric):
        raise ValueError(
            "metric must be a finite number or None. Received: "
            f"metric={echoed(metric)}. Pass None for a checkpoint without one."
        )
    return float(metric)
