import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation.logit_filters import per_row


@pytest.mark.parametrize(
    ("setting", "column"),
    [
        (2, [[2]]),
        (np.float64(0.5), [[0.5]]),
        (ops.convert_to_tensor(3), [[3]]),
        ([0.5, 1], [[0.5], [1]]),
        (np.array([1, 2, 3]), [[1], [2], [3]]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_setting_becomes_a_column(setting, column, dtype):
    result = per_row(setting, dtype)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, np.array(column).astype(dtype))
