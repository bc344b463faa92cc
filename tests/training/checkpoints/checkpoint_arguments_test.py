import collections
import re

import ml_dtypes
import numpy as np
import pytest

from keras_gpt3.training.checkpoints.run_checkpoints import check_arrays
from keras_gpt3.training.checkpoints.run_checkpoints import check_metadata
from keras_gpt3.training.checkpoints.run_checkpoints import check_metric


@pytest.mark.parametrize(
    "dtype", ["float32", "bool", "uint32", ml_dtypes.bfloat16]
)
def test_arrays_of_numbers_pass(dtype):
    check_arrays({"a": np.zeros((), dtype), "b/c": np.zeros((0, 2), dtype)})


@pytest.mark.parametrize("arrays", [{}, [np.zeros(2)], None])
def test_no_dict_of_arrays_is_an_error(arrays):
    message = (
        "arrays must be a dict with at least one array. Received: "
        f"arrays={arrays!r}. Pass the arrays to save by name."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_arrays(arrays)


@pytest.mark.parametrize("name", ["", 3])
def test_an_array_without_a_name_is_an_error(name):
    message = (
        "Every array must have a name of at least one character. Received: "
        f"name={name!r}. Name it."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_arrays({name: np.zeros(2)})


@pytest.mark.parametrize("array", [3.0, [1, 2], np.float32(1)])
def test_what_is_no_array_is_an_error(array):
    message = (
        "Every value of arrays must be a numpy array. Received: arrays['a'] "
        f"of type {type(array).__name__}. Pass a copy of it on the host, "
        "np.array(...)."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        check_arrays({"a": array})


@pytest.mark.parametrize("dtype", [">f4", "U3", "S3", "O", "M8[s]", "V8"])
def test_dtypes_that_do_not_come_back_are_errors(dtype):
    message = (
        "Every array must hold numbers or booleans in the machine's byte "
        f"order. Received: arrays['a'] of dtype {np.dtype(dtype).str}. "
        "Convert it, or put it into metadata."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        check_arrays({"a": np.zeros(2, dtype)})


def test_metadata_are_copied_as_json_gives_them_back():
    metadata = collections.OrderedDict(seed=1, shape=(2, 3), nested={"a": None})
    copied = check_metadata(metadata)
    metadata["nested"]["a"] = 5
    assert copied == {"seed": 1, "shape": [2, 3], "nested": {"a": None}}


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"a": float("nan")}, "Out of range float values"),
        ({"a": {1}}, "Object of type set"),
        ([1], "of type list"),
        (None, "of type NoneType"),
    ],
)
def test_metadata_that_json_cannot_hold_are_errors(metadata, reason):
    message = (
        "metadata must be a dict that JSON can hold. Received: "
        f"metadata={metadata!r} ({reason}"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}.*has no form"):
        check_metadata(metadata)


@pytest.mark.parametrize("metric", [2, 0.0, -1.5, np.float32(2.5)])
def test_a_metric_becomes_a_float(metric):
    checked = check_metric(metric)
    assert type(checked) is float
    assert checked == metric


def test_no_metric_passes():
    assert check_metric(None) is None


@pytest.mark.parametrize("metric", [float("nan"), float("inf"), "2", True])
def test_a_metric_that_orders_nothing_is_an_error(metric):
    message = (
        f"metric must be a finite number or None. Received: metric={metric!r}. "
        "Pass None for a checkpoint without one."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_metric(metric)
