"""What runs as it comes, on Keras' PyTorch backend: `make test-torch`."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation.logit_filters import top_k
from keras_gpt3.ops.op_compilation import as_graph
from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.ops.op_compilation import in_stock_tensorflow
from keras_gpt3.ops.op_compilation import in_xla_program
from keras_gpt3.ops.op_compilation import jit_compile
from keras_gpt3.ops.op_compilation import op_compilation
from keras_gpt3.ops.with_dependencies import with_dependencies
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model

pytestmark = pytest.mark.backend("torch", reason="Others compile.")


@pytest.mark.parametrize("compiler", [as_graph, jit_compile])
@pytest.mark.parametrize("enabled", [True, False])
def test_what_is_compiled_elsewhere_keeps_nothing_for_gradients(
    compiler, enabled
):
    weight = keras.Variable(np.ones(3, "float32"))
    assert (weight * ops.ones(3)).requires_grad
    with op_compilation(enabled):
        assert not compiler(lambda x: weight * x)(ops.ones(3)).requires_grad


def test_no_program_is_seen_and_nothing_has_to_wait():
    assert not in_xla_program() and not in_stock_tensorflow() and not has_gpu()
    x = ops.ones(3)
    assert with_dependencies(x, [ops.zeros(2)]) is x


def test_equal_scores_come_in_the_order_of_their_ids():
    # PyTorch's own selection begins with the last of them.
    scores = np.array([[1.0, 3.0] * 40, [2.0] * 80], "float32")
    values, ids = map(ops.convert_to_numpy, top_k(ops.array(scores), 5))
    np.testing.assert_array_equal(ids, [[1, 3, 5, 7, 9], [0, 1, 2, 3, 4]])
    np.testing.assert_array_equal(values, [[3.0] * 5, [2.0] * 5])
    assert ids.dtype == "int32"


def test_a_call_of_the_model_can_be_differentiated():
    # A loop of the user's own may train: the package's step does not run here.
    model = small_model(num_layers=1)
    inputs, labels = small_batch()
    logits = model(as_inputs(inputs["token_ids"]), training=True)
    loss = keras.losses.sparse_categorical_crossentropy(labels, logits, True)
    ops.mean(loss).backward()
    gradients = [v.value.grad for v in model.trainable_variables]
    assert all(bool((abs(g) > 0).any()) for g in gradients)
