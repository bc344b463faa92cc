import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops.row_product import row_sums
from tests.ops.attention_check import compiled_functions


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_rows_are_summed_in_float32(dtype):
    # 2048 ones and a 1/4: half precision would drop the 1/4.
    x = np.concatenate([np.ones((2, 2048)), np.full((2, 1), 0.25)], axis=1)
    sums = row_sums(ops.cast(x, dtype))
    assert sums.dtype == "float32"
    np.testing.assert_array_equal(sums, [[2048.25], [2048.25]])


@pytest.mark.backend(
    "tensorflow", reason="JAX compiles every operation in any case."
)
def test_is_compiled():
    assert len(compiled_functions(row_sums, keras.KerasTensor((2, 3)))) == 1
