import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.layers import dense_product
from keras_gpt3.layers.dense_product import apply_dense
from keras_gpt3.ops.op_compilation import op_compilation
from keras_gpt3.ops.op_compilation import whole_xla


@pytest.fixture
def products(monkeypatch):
    """A list that grows with each of the quicker products."""
    calls = []

    def row_product(*arguments):
        calls.append(arguments)
        return real(*arguments)

    real = dense_product.row_product
    monkeypatch.setattr(dense_product, "row_product", row_product)
    return calls


def make_dense(change=None):
    dense = keras.layers.Dense(5, bias_initializer="normal")
    dense.build((None, None, 3))
    if change == "int8":
        dense.quantize("int8")
    if change == "lora":
        dense.enable_lora(2)
        dense.lora_kernel_b.assign_add(dense.lora_kernel_b + 0.5)
    return dense


@pytest.mark.parametrize(
    ("rows", "length", "change", "quick"),
    [
        (1, 1, None, True),
        (1, 1, "int8", False),
        (1, 1, "lora", False),
        (40, 10, None, False),
    ],
)
def test_gives_what_the_layer_gives(rows, length, change, quick, products):
    dense = make_dense(change)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, length, 3)).astype("float32")
    with op_compilation(True):
        received = whole_xla(lambda x: apply_dense(dense, x))(tf.constant(x))
    # The same sums in another order.
    np.testing.assert_allclose(received, dense(x), atol=1e-6)
    assert len(products) == quick
