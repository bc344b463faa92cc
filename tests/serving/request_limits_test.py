import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.serving.exported_model import Signature
from keras_gpt3.serving.request_limits import least_values
from keras_gpt3.serving.request_limits import new_tokens

IDS = np.zeros((3, 5), "int32")
CACHE = tf.TensorSpec((2, None, 4, None, 8))


@pytest.mark.parametrize(
    "outputs, inputs, expected",
    [
        ({"logits": tf.TensorSpec((None, None, 7))}, {}, 3 * 5 * 7),
        ({"stopped": tf.TensorSpec((None,)), "i": tf.TensorSpec(())}, {}, 4),
        (
            {"dense_keys": CACHE, "banded_keys": CACHE},
            {"cache_length": np.array(9)},
            2 * 3 * 4 * 8 * (9 + 1),
        ),
        ({"dense_keys": CACHE}, {"cache_length": np.array(-9)}, 192),
    ],
)
def test_an_answer_is_counted_by_its_shapes(outputs, inputs, expected):
    signature = Signature({}, outputs, {})
    arrays = {"token_ids": IDS} | inputs
    assert least_values(signature, arrays, num_rows=3) == expected


@pytest.mark.parametrize(
    "inputs, expected",
    [
        ({"token_ids": IDS}, 0),
        ({"padding_mask": np.array([[1, 0, 0], [1, 1, 0]], "bool")}, 2),
        ({"padding_mask": np.array(False)}, 0),
        ({"index": np.array(3), "end": np.array(40)}, 37),
        ({"index": np.array(-(2**31)), "end": np.array(2**31 - 1)}, 2**32 - 1),
    ],
)
def test_new_tokens_are_counted_in_every_signature(inputs, expected):
    inputs = {
        k: v.astype("int32") if v.dtype == int else v for k, v in inputs.items()
    }
    assert new_tokens(inputs) == expected
