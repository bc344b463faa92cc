import re

import keras
import pytest
import tensorflow as tf

from keras_gpt3.planning import estimate_memory
from keras_gpt3.planning.memory import training_slots


@pytest.mark.parametrize(
    ("dtype", "weight_bytes"),
    [("float32", 4), ("mixed_bfloat16", 4), ("mixed_float16", 4)]
    + [("bfloat16", 2), ("float16", 2)],
)
def test_adamw_takes_four_times_the_weights(dtype, weight_bytes):
    assert estimate_memory(1000, dtype, "adamw") == {
        "weights": 1000 * weight_bytes,
        "gradients": 1000 * weight_bytes,
        "optimizer": 2000 * weight_bytes,
        "total": 4000 * weight_bytes,
    }


def test_inference_takes_the_weights_alone():
    assert estimate_memory(10, "float32", None) == {
        "weights": 40,
        "gradients": 0,
        "optimizer": 0,
        "total": 40,
    }


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_optimizer_state_is_what_keras_allocates(name, dtype):
    optimizer = keras.optimizers.get(name)
    weight = keras.Variable(keras.ops.zeros((5, 3)), dtype=dtype)
    optimizer.build([weight])
    slots = [v for v in optimizer.variables if v.shape == weight.shape]
    allocated = sum(15 * tf.as_dtype(slot.dtype).size for slot in slots)
    assert estimate_memory(15, dtype, name)["optimizer"] == allocated


@pytest.mark.parametrize("argument", ["dtype", "optimizer"])
def test_an_unknown_dtype_or_optimizer_raises(argument):
    message = (
        f"{argument} must be a known one. Received: {argument}='lion'. Use one "
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        estimate_memory(10, **{argument: "lion"})


def test_to_train_is_with_an_optimizer():
    assert [training_slots(name) for name in ("sgd", "adam", "adamw")] == [
        *(0, 2, 2)
    ]
    with pytest.raises(ValueError, match="^optimizer must be one to train "):
        training_slots(None)
    with pytest.raises(ValueError, match="^optimizer must be a known one. "):
        training_slots("lion")
