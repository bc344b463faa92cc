import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops.op_compilation import whole_xla
from keras_gpt3.ops.row_product import is_single_row
from keras_gpt3.ops.row_product import row_product
from keras_gpt3.ops.row_product import table_product

# Sums of up to 48 products around 1, in another order; a bfloat16 has 8 bits.
TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}


def random(shape, dtype):
    values = np.random.default_rng(sum(shape)).normal(size=shape)
    return tf.cast(values, dtype)


def exact(x):
    return np.asarray(tf.cast(x, "float64"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rows", [48, 45])  # With groups and without.
@pytest.mark.parametrize("leading", [(1,), (1, 1)])
@pytest.mark.parametrize("xla", [True, False])
def test_a_row_times_a_matrix_is_the_plain_product(dtype, rows, leading, xla):
    row, kernel = random((*leading, rows), dtype), random((rows, 5), dtype)
    bias = random((5,), dtype)
    product = whole_xla(row_product) if xla else row_product
    received = product(row, kernel, bias)
    assert received.shape == (*leading, 5)
    assert received.dtype == dtype
    expected = exact(row) @ exact(kernel) + exact(bias)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        exact(received), expected, atol=TOLERANCE[dtype] * scale
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("leading", [(1,), (1, 1)])
def test_a_table_gives_a_score_for_each_of_its_rows(dtype, leading):
    row, table = random((*leading, 16), dtype), random((7, 16), dtype)
    received = table_product(row, table)
    assert received.shape == (*leading, 7)
    assert received.dtype == dtype
    expected = exact(row) @ exact(table).T
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        exact(received), expected, atol=TOLERANCE[dtype] * scale
    )


@pytest.mark.parametrize(
    "shape, expected",
    [((1, 4), True), ((1, 1, 4), True), ((2, 4), False), ((1, 3, 4), False)],
)
def test_only_one_row_within_xla_is_a_single_row(shape, expected):
    received = []
    whole_xla(lambda x: received.append(is_single_row(x)) or x)(tf.ones(shape))
    assert received == [expected]
    assert not is_single_row(tf.ones(shape))
