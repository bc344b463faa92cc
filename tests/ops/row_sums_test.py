import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops.row_sums import row_sums
from tests.ops.attention_check import compiled_functions


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_rows_are_summed_in_float32(dtype):
    # 2048 ones and a 1/4: half precision would drop the 1/4.
    x = tf.cast(
        tf.concat([tf.ones((2, 2048)), tf.fill((2, 1), 0.25)], 1), dtype
    )
    sums = row_sums(x)
    assert sums.dtype == "float32"
    np.testing.assert_array_equal(sums, [[2048.25], [2048.25]])


def test_is_compiled():
    assert len(compiled_functions(row_sums, tf.TensorSpec((2, 3)))) == 1
