import ml_dtypes
import numpy as np
import pytest

from keras_gpt3.converters.checkpoint_writer import numpy_dtype
from keras_gpt3.converters.checkpoint_writer import stored_name


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [
        ("F64", np.float64),
        ("F32", np.float32),
        ("F16", np.float16),
        ("BF16", ml_dtypes.bfloat16),
        ("BOOL", np.bool_),
    ],
)
def test_names_and_numpy_s_types_stand_for_each_other(stored, dtype):
    assert numpy_dtype(stored, "a") == dtype
    assert stored_name(dtype) == stored


def test_a_type_can_be_given_by_its_name():
    assert stored_name("bfloat16") == "BF16"


def test_a_type_that_no_weight_has_is_an_error():
    with pytest.raises(
        ValueError,
        match="one of the types F64, .*Received: a of type F8_E4M3. Convert",
    ):
        numpy_dtype("F8_E4M3", "a")
