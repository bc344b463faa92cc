import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops.op_compilation import jit_compile
from keras_gpt3.ops.row_product import is_few_rows
from keras_gpt3.ops.row_product import row_product
from keras_gpt3.ops.row_product import row_sums
from keras_gpt3.ops.row_product import table_product
from tests.ops.attention.attention_check import compiled_functions
from tests.ops.attention.attention_check import to_float64

# === Row product ===


# Sums of up to 48 products around 1, in another order; a bfloat16 has 8 bits.
TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}


def random(shape, dtype):
    values = np.random.default_rng(sum(shape)).normal(size=shape)
    return ops.cast(values, dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rows", [48, 45])  # With groups and without.
@pytest.mark.parametrize("leading", [(1,), (1, 1), (3, 1), (8, 1)])
@pytest.mark.parametrize("xla", [True, False])
def test_a_row_times_a_matrix_is_the_plain_product(dtype, rows, leading, xla):
    row, kernel = random((*leading, rows), dtype), random((rows, 5), dtype)
    bias = random((5,), dtype)
    product = jit_compile(row_product) if xla else row_product
    received = product(row, kernel, bias)
    assert received.shape == (*leading, 5)
    assert received.dtype == dtype
    expected = to_float64(row) @ to_float64(kernel) + to_float64(bias)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        to_float64(received), expected, atol=TOLERANCE[dtype] * scale
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("leading", [(1,), (1, 1), (8, 1)])
# Of one group, of three of 29, and of as many as the table.
@pytest.mark.parametrize("entries", [67, 87, 7])
def test_a_table_gives_a_score_for_each_of_its_rows(dtype, leading, entries):
    row, table = random((*leading, 16), dtype), random((entries, 16), dtype)
    received = table_product(row, table)
    assert received.shape == (*leading, entries)
    assert received.dtype == dtype
    expected = to_float64(row) @ to_float64(table).T
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        to_float64(received), expected, atol=TOLERANCE[dtype] * scale
    )


@pytest.mark.parametrize(
    "shape, expected",
    [((1, 4), True), ((16, 1, 4), True), ((17, 4), False), ((2, 9, 4), False)],
)
def test_few_rows_are_treated_so_within_xla_only(shape, expected):
    received = []
    jit_compile(lambda x: received.append(is_few_rows(x)) or x)(ops.ones(shape))
    assert received == [expected]
    assert not is_few_rows(ops.ones(shape))


# === Row sums ===


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
