import keras
import pytest
import tensorflow as tf

from keras_gpt3.ops import blocked_attention
from keras_gpt3.ops import causal_attention
from keras_gpt3.ops import op_compilation
from tests.ops.attention_check import check_attention
from tests.ops.attention_check import compiled_functions
from tests.ops.attention_check import element_counts
from tests.ops.attention_check import value_and_gradients


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocked_attention, "BLOCK", 16)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("length", [1, 15, 16, 17, 45, 64])
def test_blocks_equal_slow_attention_in_value_and_gradient(
    length, dtype, masked, small_blocks
):
    check_attention(causal_attention, length, dtype, masked)


def test_blocks_equal_slow_attention_inside_a_whole_graph(small_blocks):
    def compiled(function):
        return tf.function(function, jit_compile=True)

    check_attention(causal_attention, 45, wrap=compiled)


def test_each_block_is_compiled_between_its_products(small_blocks):
    specs = [tf.TensorSpec((2, 45, 2, 4))] * 3
    assert len(compiled_functions(causal_attention, *specs)) == 3
    with op_compilation(False):
        assert not compiled_functions(causal_attention, *specs)


def most_elements(attention, length):
    """The largest tensor in a step on one head of width 4."""
    with op_compilation(False):
        return max(
            element_counts(
                lambda q, k, v, u: value_and_gradients(attention, [q, k, v], u),
                *[tf.TensorSpec((1, length, 1, 4))] * 4,
            )
        )


def test_no_array_has_length_by_length_elements(small_blocks):
    # The last block: 16 queries and all keys.
    assert most_elements(causal_attention, 256) == 16 * 256
    assert most_elements(keras.ops.dot_product_attention, 256) >= 256 * 256
