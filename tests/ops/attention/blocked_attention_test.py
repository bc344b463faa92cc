import functools

import keras
import pytest
from keras import ops

from keras_gpt3.ops import banded_attention
from keras_gpt3.ops import causal_attention
from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.attention import attention_shapes
from keras_gpt3.ops.attention.attention_shapes import block_bounds
from tests.ops.attention.attention_check import check_attention
from tests.ops.attention.attention_check import compiled_functions
from tests.ops.attention.attention_check import element_counts
from tests.ops.attention.attention_check import forward_and_backward
from tests.ops.attention.attention_check import two_rows_of_segments

banded_20 = functools.partial(banded_attention, window=20)
pytestmark = pytest.mark.backend(
    "tensorflow", reason="JAX knows no operations but those XLA compiles."
)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(attention_shapes, "DENSE_BLOCK", 16)
    monkeypatch.setattr(attention_shapes, "BANDED_BLOCK", 16)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("length", [1, 15, 16, 17, 45, 64])
@pytest.mark.quick_cases(8)
def test_blocks_equal_slow_attention_in_value_and_gradient(
    length, dtype, masked, small_blocks
):
    check_attention(causal_attention, length, dtype, masked)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("window", [1, 7, 16, 17, 40, 44])
def test_banded_blocks_equal_slow_attention(window, masked, small_blocks):
    """Windows within a block, of a block, over two, and of all but one key."""
    with op_compilation(False):
        check_attention(banded_attention, 45, masked=masked, window=window)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_compiled_banded_blocks_equal_slow_attention(dtype, small_blocks):
    check_attention(banded_attention, 45, dtype, masked=True, window=20)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("length", [17, 45, 64])
@pytest.mark.parametrize("attention", [causal_attention, banded_20])
@pytest.mark.quick_cases(4)
def test_blocks_equal_slow_attention_within_segments(
    attention, length, dtype, small_blocks
):
    """Segments that begin inside of blocks, at their edges, and beside them."""
    window = {"window": 20} if attention is banded_20 else {}
    check_attention(
        lambda *x, **masks: attention(*x, **masks | window),
        *(length, dtype),
        masked=True,
        segment_ids=two_rows_of_segments(length),
        **window,
    )


@pytest.mark.parametrize("length", [1, 16, 45])
def test_in_float16_weights_are_normalized_before_the_product(
    length, small_blocks
):
    with op_compilation(False):
        check_attention(causal_attention, length, "float16", masked=True)


@pytest.mark.parametrize("attention", [causal_attention, banded_20])
def test_stages_are_compiled_between_the_products(attention, small_blocks):
    specs = [keras.KerasTensor((2, 45, 2, 4))] * 3
    names = compiled_functions(attention, *specs)
    # Three blocks of different shapes; the results have but two.
    for stage, number in (("highest", 3), ("weights", 3), ("normalize", 2)):
        assert sum(f"_{stage}_" in name for name in names) == number
    with op_compilation(False):
        assert not compiled_functions(attention, *specs)


def test_every_visible_key_is_met_and_few_others(small_blocks):
    assert block_bounds(40) == [(0, 0, 16), (0, 16, 32), (0, 32, 40)]
    assert block_bounds(40, 20) == [(0, 0, 16), (0, 16, 32), (13, 32, 40)]
    assert block_bounds(40, 1) == [(0, 0, 16), (16, 16, 32), (32, 32, 40)]


def most_elements(attention, length):
    """The largest tensor in a step on one head of width 4."""
    with op_compilation(False):
        return max(
            element_counts(
                lambda *x: forward_and_backward(attention, x[:3], x[3]),
                *[keras.KerasTensor((1, length, 1, 4))] * 4,
            )
        )


def test_no_array_has_length_by_length_elements(small_blocks):
    # The last block: 16 queries and all keys.
    assert most_elements(causal_attention, 256) == 16 * 256
    # The keys themselves, 4 numbers each; a block has 16 queries and 35 keys.
    assert most_elements(banded_20, 256) == 4 * 256
    assert most_elements(ops.dot_product_attention, 256) >= 256 * 256
